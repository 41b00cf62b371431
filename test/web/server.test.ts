import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fileFor, isOwnHost, type StaticServer, serveFolder } from '../../src/platform/staticServer.js';

const test = suite('rhm serve');
const root = mkdtempSync(join(tmpdir(), 'rhm-serve-'));
const page = join(root, 'page');
let server: StaticServer;
test.before(async () => {
  mkdirSync(join(page, 'chunks'), { recursive: true });
  mkdirSync(join(page, '.hidden'));
  writeFileSync(join(page, 'index.html'), '<!doctype html><title>page</title>');
  writeFileSync(join(page, 'chunks/a b.js'), 'export {};');
  writeFileSync(join(page, '.hidden/file'), 'secret');
  writeFileSync(join(root, 'secret'), 'secret');
  writeFileSync(join(root, 'page-secret'), 'secret');
  symlinkSync(join(root, 'secret'), join(page, 'link'));
  symlinkSync(join(root, 'page-secret'), join(page, 'beside'));
  server = await serveFolder(page);
});
test.after(async () => {
  await server?.close();
  rmSync(root, { recursive: true, force: true });
});

/** The answer to an unmodified request line: fetch() would normalise the path. */
function raw(line: string, headers = ''): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((done, fail) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`),
    );
    let text = '';
    socket.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    socket.on('end', () => done(text)).on('error', fail);
  });
}

test('files come with their type and strict headers', async () => {
  const index = await fetch(server.url);
  assert.is(await index.text(), '<!doctype html><title>page</title>');
  assert.is(index.headers.get('content-type'), 'text/html; charset=utf-8');
  assert.is(index.headers.get('x-content-type-options'), 'nosniff');
  const policy = index.headers.get('content-security-policy')!;
  assert.match(policy, /default-src 'none'/);
  assert.not.match(policy, /unsafe-inline|'unsafe-eval'|\*|https?:/);
  assert.is(index.headers.get('cross-origin-embedder-policy'), null);
  const script = await fetch(`${server.url}chunks/a%20b.js?version=1#x`);
  assert.is(script.headers.get('content-type'), 'text/javascript; charset=utf-8');
  assert.is(script.headers.get('content-encoding'), 'gzip');
  assert.is(await script.text(), 'export {};');
  assert.not.match(await raw('GET /index.html'), /Content-Encoding/, 'only where it is understood');
  const head = await raw('HEAD /');
  assert.match(head, /^HTTP\/1.1 200/);
  assert.match(head, /Content-Length: 34/);
  assert.ok(head.endsWith('\r\n\r\n'), 'no body');
});

test('nothing outside the folder, hidden or odd is served', async () => {
  for (const path of [
    '/../secret',
    '/..%2fsecret',
    '/%2e%2e/secret',
    '/chunks/../../secret',
    '/../page-secret',
    '/..\\secret',
    '/%5c..%5csecret',
    '//etc/passwd',
    '/link',
    '/beside',
    '/.hidden/file',
    '/chunks',
    '/chunks/',
    '/index.html%00.js',
    '/%',
    '/%c0%ae%c0%ae/secret',
    'http://elsewhere/secret',
  ]) {
    const answer = await raw(`GET ${path}`);
    assert.match(answer, /^HTTP\/1.1 404/, path);
    assert.not.match(answer, /^secret/m, path);
  }
});

test('a root folder is not matched by the beginning of a name', () => {
  const folder = realpathSync(page);
  assert.is(fileFor(folder, '/beside'), undefined);
  assert.is(fileFor(folder, '/'), join(folder, 'index.html'));
});

test('tags, ranges, weights of encodings', async () => {
  const first = await fetch(server.url, { headers: { 'accept-encoding': 'identity' } });
  const tag = first.headers.get('etag')!;
  const zipped = (await fetch(server.url)).headers.get('etag')!;
  assert.not.equal(tag, zipped);
  assert.match(await raw('GET /', `Accept-Encoding: gzip\r\nIf-None-Match: "x", W/${zipped}\r\n`), /^HTTP\/1.1 304/);
  assert.match(await raw('GET /', `Accept-Encoding: gzip\r\nIf-None-Match: "x"\r\n`), /^HTTP\/1.1 200/);
  const part = await raw('GET /', 'Range: bytes=2-8\r\n');
  assert.match(part, /^HTTP\/1.1 206[\s\S]*Content-Range: bytes 2-8\/34\r\n[\s\S]*\r\n\r\ndoctype$/);
  assert.match(await raw('GET /', 'Range: bytes=-7\r\n'), /\r\n\r\n\/title>$/);
  assert.match(await raw('GET /', 'Range: bytes=34-\r\n'), /^HTTP\/1.1 416[\s\S]*bytes \*\/34/);
  assert.match(await raw('GET /', 'Range: bytes=0-1\r\nIf-Range: "old"\r\n'), /^HTTP\/1.1 200/);
  for (const refused of ['gzip;q=0', 'gzip; q=0.0, *', '*;q=0', 'gzippy', ''])
    assert.not.match(await raw('GET /', `Accept-Encoding: ${refused}\r\n`), /Content-Encoding/, refused);
  for (const given of ['GZIP', 'br, gzip;q=0.1', '*'])
    assert.match(await raw('GET /', `Accept-Encoding: ${given}\r\n`), /Content-Encoding: gzip/, given);
});

test('foreign hosts are refused on the loopback address', () => {
  for (const host of ['localhost', 'localhost:80', 'a.localhost:1', '127.0.0.1:80', '127.9.9.9', '[::1]:80', undefined])
    assert.ok(isOwnHost(host, '127.0.0.1'), String(host));
  for (const host of ['evil.example', 'localhost.evil.example:80', '127.0.0.1.evil.example', 'x', '', '10.0.0.1'])
    assert.not(isOwnHost(host, '127.0.0.1'), host);
  assert.ok(isOwnHost('lab.example', '0.0.0.0'));
});

test('files that are replaced, cut and removed while being served: complete answers, and the server survives', async () => {
  const file = join(page, 'moving.js');
  let whole = 0;
  // A separate process: it changes the file between any two reads of the server.
  const script = `const { writeFileSync, renameSync, rmSync } = require('node:fs'); const file = ${JSON.stringify(file)};
    for (let i = 0; ; i++) {
      writeFileSync(file + '.new', String(i % 10).repeat(20000 + 1000 * (i % 7)));
      renameSync(file + '.new', file);
      if (i % 3 === 0) rmSync(file);
    }`;
  const mover = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  await Promise.all(
    Array.from({ length: 8 }, async (_, client) => {
      for (let i = 0; i < 60; i++) {
        const answer = await fetch(`${server.url}moving.js`, {
          headers: { 'accept-encoding': client % 2 ? 'gzip' : 'identity' },
        });
        const text = await answer.text();
        if (answer.status === 200 && text.length) {
          assert.match(text, /^(.)\1*$/);
          whole++;
        } else assert.ok(answer.status === 404 || !text.length, String(answer.status));
      }
    }),
  );
  mover.kill('SIGKILL');
  assert.ok(whole > 0);
  assert.is((await fetch(server.url)).status, 200);
});

test('hundreds of half-open connections keep no one out', async () => {
  const { hostname, port } = new URL(server.url);
  const count = process.env.RHM_SOAK ? 1000 : 200;
  const sockets = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((done, fail) => {
          const socket = connect(Number(port), hostname, () =>
            socket.write('GET / HTTP/1.1\r\nHost: loc', () => done(socket)),
          );
          socket.on('error', fail);
        }),
    ),
  );
  try {
    for (let i = 0; i < 20; i++) assert.is((await fetch(server.url)).status, 200);
  } finally {
    for (const socket of sockets) socket.on('error', () => {}).destroy();
  }
});

test('methods that change or ask for more are refused', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
    const answer = await raw(`${method} /`);
    assert.match(answer, /^HTTP\/1.1 405/, method);
    assert.match(answer, /Allow: GET, HEAD/);
  }
});

test('isolation headers on request; a port in use and a folder without a page are reported', async () => {
  const isolated = await serveFolder(page, { isolated: true });
  try {
    const answer = await fetch(isolated.url);
    assert.is(answer.headers.get('cross-origin-embedder-policy'), 'require-corp');
    const report = await serveFolder(page, { inline: true });
    const policy = (await fetch(report.url)).headers.get('content-security-policy')!;
    await report.close();
    assert.match(policy, /style-src 'self' 'unsafe-inline'; /);
    assert.match(policy, /script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; /);
    assert.not.match(policy, /'unsafe-eval'|https?:/, 'from this server alone');
    const port = Number(new URL(isolated.url).port);
    const taken = await serveFolder(page, { port }).then(
      () => '',
      (error: Error) => `${error.name}: ${error.message}`,
    );
    assert.match(taken, /^FileError: 127\.0\.0\.1:\d+: cannot listen there: EADDRINUSE;.*--port 0/);
  } finally {
    await isolated.close();
  }
  assert.throws(() => serveFolder(join(page, 'chunks')), /contains no index.html/);
});

test('other origins read and frame the files only if they are named', async () => {
  const read = async (server: StaticServer, origin: string) => {
    const { headers } = await fetch(`${server.url}chunks/a%20b.js`, { headers: { Origin: origin } });
    const ancestors = /frame-ancestors ([^;]*)/.exec(headers.get('content-security-policy')!)![1];
    return [headers.get('access-control-allow-origin'), headers.get('cross-origin-resource-policy'), ancestors];
  };
  assert.equal(await read(server, 'https://example.org'), [null, 'same-origin', "'self'"]);
  const named = await serveFolder(page, { origins: ['https://example.org', 'http://localhost:3000'] });
  const any = await serveFolder(page, { origins: ['*'] });
  try {
    const both = "'self' https://example.org http://localhost:3000";
    assert.equal(await read(named, 'https://example.org'), ['https://example.org', 'cross-origin', both]);
    assert.equal(await read(named, 'https://example.com'), [null, 'cross-origin', both]);
    const { headers } = await fetch(named.url);
    assert.match(headers.get('vary')!, /Origin/, 'caches keep the answers apart');
    assert.equal(await read(any, 'https://example.com'), ['*', 'cross-origin', "'self' *"]);
  } finally {
    await named.close();
    await any.close();
  }
  for (const origin of ['example.org', 'https://example.org/', 'https://a.org; script-src *', 'file:///etc', ''])
    assert.throws(
      () => serveFolder(page, { origins: [origin] }),
      /--origins: got .*pass \* or a scheme and host alone/,
    );
});

test('the command listens on the loopback address, says where as JSON, and ends on a signal', async () => {
  const child = spawn(process.execPath, [resolve('dist/cli.js'), 'serve', '--port', '0', '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    let text = '';
    const url = await new Promise<string>((done, fail) => {
      child.on('exit', () => fail(new Error(`ended early: ${text}`)));
      child.stdout.setEncoding('utf8').on('data', (part) => {
        text += part;
        try {
          done(JSON.parse(text).url);
        } catch {}
      });
    });
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.match(await (await fetch(url)).text(), /<main>/);
    const ended = new Promise((done) => child.removeAllListeners('exit').on('exit', done));
    child.kill('SIGTERM');
    assert.is(await ended, 0);
  } finally {
    child.kill('SIGKILL');
  }
});

test.run();
