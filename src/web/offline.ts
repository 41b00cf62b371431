/**
 * The service worker of the page: after a visit the page opens and works without its server. The server's answers have precedence;
 * copies of the page's own files, made when this worker is installed, are used if the server does not answer. Nothing else is
 * copied.
 */

export {}; // makes it a module for the compiler; the bundle is a plain script

/** Set by the build: names of the page's files beside this script, and a digest of their contents. */
declare const PAGE_FILES: readonly string[];
declare const PAGE_DIGEST: string;

interface Lifetime {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetch {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface WorkerScope {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(name: 'install' | 'activate', listener: (event: Lifetime) => void): void;
  addEventListener(name: 'fetch', listener: (event: Fetch) => void): void;
}
const worker = globalThis as unknown as WorkerScope;

const prefix = `rhm-lab page ${worker.registration.scope} `; // one origin may have several copies of the page
const name = prefix + PAGE_DIGEST;
const addresses = new Set(PAGE_FILES.map((file) => new URL(file, worker.registration.scope).href));

worker.addEventListener('install', (event) => {
  const copyAll = async () => {
    const cache = await caches.open(name);
    await cache.addAll([...addresses].map((address) => new Request(address, { cache: 'no-cache' })));
    await worker.skipWaiting();
  };
  event.waitUntil(copyAll());
});

worker.addEventListener('activate', (event) => {
  const tidy = async () => {
    for (const other of await caches.keys()) if (other.startsWith(prefix) && other !== name) await caches.delete(other);
    await worker.clients.claim();
  };
  event.waitUntil(tidy());
});

worker.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  const [address] = url.split(/[?#]/);
  if (method === 'GET' && addresses.has(address)) event.respondWith(served(event.request, address));
});

/** The server's answer; the copy if there is none, or the server no longer has the file. */
async function served(request: Request, address: string): Promise<Response> {
  const copy = async () => (await caches.open(name)).match(address);
  try {
    const response = await fetch(request);
    return response.status === 404 ? ((await copy()) ?? response) : response;
  } catch (error) {
    const found = await copy();
    if (!found) throw error;
    return found;
  }
}
