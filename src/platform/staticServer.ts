/** A file server for the page: one folder, only GET and HEAD, on the loopback address by default. Node and Deno. */
import { realpathSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { FileError, InputError, RhmError } from '../core/errors.js';
import { FileCache, type ServedFile } from './servedFile.js';

export interface ServeOptions {
  host?: string; // default 127.0.0.1
  port?: number; // default 0: any free port
  /** Adds the headers COOP and COEP, which enable shared memory in pages and so WebAssembly threads. */
  isolated?: boolean;
  /**
   * Pages of these origins may load the served files, run their elements and frame them; `*` is any. Default: only the server's
   * own origin.
   */
  origins?: readonly string[];
  /**
   * Allows styles and scripts inside a document, which reports and documents of one's own have; whoever writes into the folder could add
   * script files anyway. Still from no other host. The page needs none.
   */
  inline?: boolean;
  /** Paths that are answered with a value as JSON instead of a file. An InputError is answered with status 400 and its message. */
  answers?: Readonly<Record<string, (query: URLSearchParams) => Promise<unknown>>>;
}

export interface StaticServer {
  readonly url: string; // URL of the folder's index.html, with a slash at the end
  close(): Promise<void>;
}

/**
 * The permissions of the page: only its own files, no inline script, no eval (WebAssembly is compiled, its threads start from
 * blobs).
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Serves a folder until `close`. @throws InputError if there is no index.html; FileError if the port is not available. */
export function serveFolder(folder: string, options: ServeOptions = {}): Promise<StaticServer> {
  const { host = '127.0.0.1', port = 0, origins = [] } = options;
  for (const origin of origins) checkOrigin(origin);
  if (!statSync(join(folder, 'index.html'), { throwIfNoEntry: false }))
    throw new InputError(
      `${folder}: contains no index.html; pass the folder of a built page, or build one with npm run build`,
    );
  const root = realpathSync(folder);
  const cache = new FileCache();
  const server = createServer({ connectionsCheckingInterval: 2000 }, (request, response) => {
    answer(root, cache, options, request, response).catch(() => response.destroy());
  });
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    else socket.destroy();
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const remedy =
        error.code === 'EADDRINUSE' ? 'another program has this port; pass --port 0 for a free one' : error.message;
      reject(new FileError(`${host}:${port}: cannot listen there: ${error.code}; ${remedy}`, { cause: error }));
    });
    server.listen(port, host, () => {
      const { port: bound, address, family } = server.address() as AddressInfo;
      const name = family === 'IPv6' ? `[${address}]` : address;
      resolve({
        url: `http://${name}:${bound}/`,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}

/** @throws InputError */
function checkOrigin(origin: string): void {
  const parsed = URL.canParse(origin) ? new URL(origin) : undefined;
  if (origin === '*' || (parsed && /^https?:$/.test(parsed.protocol) && parsed.origin === origin)) return;
  const guess = parsed && /^https?:$/.test(parsed.protocol) ? parsed.origin : 'https://example.org';
  throw new InputError(`--origins: got ${JSON.stringify(origin)}; pass * or a scheme and host alone, such as ${guess}`);
}

async function answer(
  root: string,
  cache: FileCache,
  { isolated, inline, answers = {}, host = '127.0.0.1', origins = [] }: ServeOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const ofReference = request.url?.startsWith('/reference/'); // the scripts of its generator set styles of elements
  let policy = contentSecurityPolicy;
  if (inline || ofReference) policy = policy.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'");
  if (inline) policy = policy.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'");
  const named = origins.length > 0 && !origins.includes('*');
  const headers: Record<string, string> = {
    'Content-Security-Policy': `${policy}; frame-ancestors ${["'self'", ...origins].join(' ')}`,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': origins.length ? 'cross-origin' : 'same-origin',
    'Cache-Control': 'no-cache',
    Vary: named ? 'Accept-Encoding, Origin' : 'Accept-Encoding',
  };
  const asks = request.headers.origin;
  if (origins.includes('*')) headers['Access-Control-Allow-Origin'] = '*';
  else if (asks !== undefined && origins.includes(asks)) headers['Access-Control-Allow-Origin'] = asks;
  if (isolated) {
    headers['Cross-Origin-Opener-Policy'] = 'same-origin';
    headers['Cross-Origin-Embedder-Policy'] = 'require-corp';
  }
  const refuse = (status: number, text: string, more: Record<string, string> = {}): void => {
    response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8', ...more });
    response.end(request.method === 'HEAD' ? undefined : `${text}\n`);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    refuse(405, 'this server answers GET and HEAD only', { Allow: 'GET, HEAD', Connection: 'close' });
  else if (!isOwnHost(request.headers.host, host)) refuse(403, 'this server answers requests from localhost only');
  else {
    const [asked, query = ''] = (request.url ?? '/').split('?');
    if (Object.hasOwn(answers, asked)) {
      const { status, value } = await answerOf(() => answers[asked](new URLSearchParams(query)));
      const body = Buffer.from(JSON.stringify(value));
      const packed =
        body.length > 1000 && acceptsGzip(request.headers['accept-encoding']) ? await pack(body) : undefined;
      const more = {
        'Content-Type': 'application/json',
        ...(packed && { 'Content-Encoding': 'gzip' }),
      };
      response.writeHead(status, { ...headers, ...more, 'Content-Length': String((packed ?? body).length) });
      return void response.end(request.method === 'HEAD' ? undefined : (packed ?? body));
    }
    const path = fileFor(root, request.url ?? '/');
    const file = path && cache.open(path);
    if (!file) return refuse(404, 'no such file');
    try {
      await send(file, headers, request, response);
    } catch (error) {
      file.close();
      throw error;
    }
    if (response.writableEnded) file.close();
  }
}

const pack = promisify(gzip);

async function answerOf(work: () => Promise<unknown>): Promise<{ status: number; value: unknown }> {
  try {
    return { status: 200, value: await work() };
  } catch (error) {
    if (!(error instanceof RhmError)) throw error;
    return { status: error instanceof InputError ? 400 : 500, value: { error: error.message } };
  }
}

async function send(
  file: ServedFile,
  headers: Record<string, string>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { range, 'accept-encoding': accepted } = request.headers;
  const isHead = request.method === 'HEAD';
  const given = { ...headers, 'Content-Type': file.type, 'Accept-Ranges': 'bytes' };
  const etag = `"${file.tag}"`;
  const etagPacked = `"${file.tag}-gzip"`;
  const wanted =
    range === undefined || !isFresh(request.headers['if-range'], etag) ? undefined : rangeOf(range, file.size);
  const data = wanted === undefined && acceptsGzip(accepted) ? await file.packed() : undefined;
  const tag = data ? etagPacked : etag;
  const known = request.headers['if-none-match'];
  if (known?.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag)) {
    response.writeHead(304, { ...given, ETag: tag });
    response.end();
  } else if (data) {
    response.writeHead(200, { ...given, ETag: tag, 'Content-Encoding': 'gzip', 'Content-Length': String(data.length) });
    response.end(isHead ? undefined : data);
  } else if (wanted === 'none') {
    response.writeHead(416, { ...given, 'Content-Range': `bytes */${file.size}`, 'Content-Length': '0' });
    response.end();
  } else {
    const { from, to } = wanted ?? { from: 0, to: file.size - 1 };
    const length = { ETag: tag, 'Content-Length': String(to - from + 1) };
    if (wanted) response.writeHead(206, { ...given, ...length, 'Content-Range': `bytes ${from}-${to}/${file.size}` });
    else response.writeHead(200, { ...given, ...length });
    if (isHead || to < from) response.end();
    else {
      const part = file.part(from, to);
      if (Buffer.isBuffer(part)) response.end(part);
      else pipeline(part, response, () => {}); // a reader that disconnects or a file that is truncated is not a failure: the connection ends
    }
  }
}

/** Whether a header allows gzip: the name, or `*`, with a weight above 0. */
export function acceptsGzip(header: string | readonly string[] | undefined): boolean {
  let any = false;
  for (const part of String(header ?? '').split(',')) {
    const [name, ...parameters] = part.trim().toLowerCase().split(';');
    const weight = parameters.map((p) => /^\s*q\s*=\s*([\d.]+)\s*$/.exec(p)?.[1]).find((q) => q !== undefined);
    const allowed = weight === undefined || Number(weight) > 0;
    if (name.trim() === 'gzip' || name.trim() === 'x-gzip') return allowed;
    if (name.trim() === '*') any = allowed;
  }
  return any;
}

/** One range of bytes; undefined: the whole file is sent (several ranges, another unit, no range); none: it begins after the end. */
export function rangeOf(header: string, size: number): { from: number; to: number } | 'none' | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim()) ?? [];
  if (first === undefined || (!first && !last)) return undefined;
  const from = first ? Number(first) : Math.max(0, size - Number(last));
  const to = first && last ? Math.min(Number(last), size - 1) : size - 1;
  if (first && last && Number(last) < Number(first)) return undefined;
  return from < size && from <= to ? { from, to } : 'none';
}

const isFresh = (condition: string | readonly string[] | undefined, etag: string): boolean =>
  condition === undefined || condition === etag;

/** Whether a page of that host may send requests: a foreign name that resolves to this machine must not read its data. */
export function isOwnHost(header: string | undefined, listening: string): boolean {
  if (!isLoopback(listening) || header === undefined) return true;
  const name = header.replace(/:\d*$/, '').toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || isLoopback(name.replace(/^\[|\]$/g, ''));
}

const isLoopback = (address: string): boolean =>
  address === 'localhost' || address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);

/** The file that a request path names, with links resolved; undefined if there is none, or it is outside the folder or hidden. */
export function fileFor(root: string, url: string): string | undefined {
  let path: string;
  try {
    path = decodeURIComponent(url.split(/[?#]/)[0]);
  } catch {
    return undefined;
  }
  if (!path.startsWith('/') || /[\\\0]/.test(path)) return undefined;
  const parts = path.split('/').slice(1);
  if (parts.some((part) => part.startsWith('.'))) return undefined;
  if (parts[parts.length - 1] === '') parts[parts.length - 1] = 'index.html';
  if (parts.includes('')) return undefined;
  try {
    const file = realpathSync(join(root, ...parts));
    return file.startsWith(root + sep) && statSync(file).isFile() ? file : undefined;
  } catch {
    return undefined;
  }
}
