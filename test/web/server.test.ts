import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type StaticServer, serveFolder } from '../../src/platform/staticServer.js';

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
  server = await serveFolder(page);
});
test.after(async () => {
  await server?.close();
  rmSync(root, { recursive: true, force: true });
});

/** The answer to a request line as it stands: fetch() would tidy the path up. */
function raw(line: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((done, fail) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
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

test('methods that change or ask for more are refused', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
    const answer = await raw(`${method} /`);
    assert.match(answer, /^HTTP\/1.1 405/, method);
    assert.match(answer, /Allow: GET, HEAD/);
  }
});

test('isolation headers on request; a taken port and a folder without a page are told', async () => {
  const isolated = await serveFolder(page, { isolated: true });
  try {
    const answer = await fetch(isolated.url);
    assert.is(answer.headers.get('cross-origin-embedder-policy'), 'require-corp');
    const report = await serveFolder(page, { inlineStyles: true });
    const policy = (await fetch(report.url)).headers.get('content-security-policy')!;
    await report.close();
    assert.match(policy, /style-src 'self' 'unsafe-inline'; /);
    assert.is(policy.match(/unsafe-inline/g)!.length, 1, 'styles alone');
    const port = Number(new URL(isolated.url).port);
    const taken = await serveFolder(page, { port }).then(
      () => '',
      (error: Error) => `${error.name}: ${error.message}`,
    );
    assert.match(taken, /^FileError: 127\.0\.0\.1:\d+: cannot listen there: EADDRINUSE;.*--port 0/);
  } finally {
    await isolated.close();
  }
  assert.throws(() => serveFolder(join(page, 'chunks')), /holds no index.html/);
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
