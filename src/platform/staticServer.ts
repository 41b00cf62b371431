/** A file server for the page: one folder, only GET and HEAD, on the loopback address unless asked otherwise. Node and Deno. */
import { createReadStream, realpathSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';
import { FileError, InputError } from '../core/errors.js';

export interface ServeOptions {
  host?: string; // default 127.0.0.1
  port?: number; // default 0: any free one
  /** Adds the headers COOP and COEP, which give pages shared memory and so WebAssembly threads. */
  isolated?: boolean;
  /** Allows styles inside a document, as the reports of `rhm analyze` have them. The page needs none. */
  inlineStyles?: boolean;
}

export interface StaticServer {
  readonly url: string; // of the folder's index.html, with a slash at the end
  close(): Promise<void>;
}

/** What the page may do: its own files only, no inline script, no eval (WebAssembly is compiled, its threads start from blobs). */
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

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.jsonl': 'application/x-ndjson',
  '.map': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.safetensors': 'application/octet-stream',
};

/** Serves a folder until `close`. @throws InputError when there is no index.html; FileError when the port cannot be had. */
export function serveFolder(folder: string, options: ServeOptions = {}): Promise<StaticServer> {
  const { host = '127.0.0.1', port = 0 } = options;
  if (!statSync(join(folder, 'index.html'), { throwIfNoEntry: false }))
    throw new InputError(
      `${folder}: holds no index.html; pass the folder of a built page, or build one with npm run build`,
    );
  const root = realpathSync(folder);
  const server = createServer((request, response) => answer(root, options, request, response));
  server.headersTimeout = 10_000;
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

function answer(
  root: string,
  { isolated, inlineStyles }: ServeOptions,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const policy = inlineStyles
    ? contentSecurityPolicy.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
    : contentSecurityPolicy;
  const headers: Record<string, string> = {
    'Content-Security-Policy': `${policy}; frame-ancestors 'self'`,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-cache',
  };
  if (isolated) {
    headers['Cross-Origin-Opener-Policy'] = 'same-origin';
    headers['Cross-Origin-Embedder-Policy'] = 'require-corp';
  }
  const refuse = (status: number, text: string, more: Record<string, string> = {}): void => {
    response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8', ...more });
    response.end(request.method === 'HEAD' ? undefined : `${text}\n`);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    refuse(405, 'only GET and HEAD are answered here', { Allow: 'GET, HEAD', Connection: 'close' });
  else {
    const file = fileFor(root, request.url ?? '/');
    if (file) send(file, headers, request, response);
    else refuse(404, 'no such file');
  }
}

function send(file: string, headers: Record<string, string>, request: IncomingMessage, response: ServerResponse): void {
  const type = types[extname(file)] ?? 'application/octet-stream';
  const zipped = /^text|json|xml/.test(type) && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  response.writeHead(200, {
    ...headers,
    'Content-Type': type,
    Vary: 'Accept-Encoding',
    ...(zipped ? { 'Content-Encoding': 'gzip' } : { 'Content-Length': String(statSync(file).size) }),
  });
  if (request.method === 'HEAD') response.end();
  else if (zipped) pipeline(createReadStream(file), createGzip(), response, () => {});
  else pipeline(createReadStream(file), response, () => {}); // a reader that goes away is no failure
}

/** The file that a request path names, links resolved; undefined when there is none, or it lies outside the folder or is hidden. */
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
