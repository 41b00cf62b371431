/** A static file server on the loopback address for test pages. */
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.map': 'application/json',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

export interface TestServer {
  origin: string;
  missing: string[]; // paths that were requested but do not exist
  close(): Promise<void>;
}

/**
 * Serves folders under URL prefixes; `isolated` adds the COOP and COEP headers that enable SharedArrayBuffer, `open` the one that
 * lets pages of other origins read the files.
 */
export function serve(folders: Readonly<Record<string, string>>, isolated: boolean, open = false): Promise<TestServer> {
  const missing: string[] = [];
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
    const prefix = Object.keys(folders).find((p) => path.startsWith(p));
    const file = prefix && join(folders[prefix], path.slice(prefix.length));
    if (!file || !statSync(file, { throwIfNoEntry: false })?.isFile()) {
      missing.push(path);
      response.writeHead(404).end();
      return;
    }
    const headers: Record<string, string> = { 'Content-Type': types[extname(file)] ?? 'application/octet-stream' };
    if (isolated) {
      headers['Cross-Origin-Opener-Policy'] = 'same-origin';
      headers['Cross-Origin-Embedder-Policy'] = 'require-corp';
    }
    if (open) headers['Access-Control-Allow-Origin'] = '*';
    response.writeHead(200, headers).end(readFileSync(file));
  });
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () =>
      resolve({
        origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        missing,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      }),
    ),
  );
}
