/**
 * A real Redis (or Valkey) server on loopback: RHM_REDIS_SERVER, else an installed one, else Debian's package, downloaded and
 * unpacked to the cache folder without being installed. Without a server the test fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import { debianPackages, librariesOf } from './debian.js';

export interface RedisServer {
  readonly url: string; // with its password
  readonly password: string;
  readonly port: number;
  /** Ends the server cleanly and starts it again on the same port and data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface RedisOptions {
  /** Certificate and key files: the server speaks TLS only. */
  tls?: { cert: string; key: string };
}

/** Starts a server with a password and an append-only file. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const { command, env } = findServer();
  const directory = mkdtempSync(join(tmpdir(), 'rhm-redis-'));
  const port = await freePort();
  const password = 'p@ss:w/rd "of" the test';
  const { tls } = options;
  const args = [
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--requirepass',
    password,
    '--appendonly',
    'yes',
    '--save',
    '',
  ];
  if (tls)
    args.push(
      '--port',
      '0',
      '--tls-port',
      String(port),
      '--tls-cert-file',
      tls.cert,
      '--tls-key-file',
      tls.key,
      '--tls-auth-clients',
      'no',
    );
  else args.push('--port', String(port));
  let child: ChildProcess;
  const start = async () => {
    let output = '';
    let ended = false;
    child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('exit', () => (ended = true));
    child.on('error', (error) => {
      ended = true;
      output += error;
    });
    for (let tries = 0; !/Ready to accept connections/.test(output); tries++) {
      if (ended || tries > 600) throw new Error(`${command} did not start: ${output}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  };
  const end = () =>
    new Promise<void>((done) => {
      if (child.exitCode !== null || child.signalCode !== null) return done();
      child.on('exit', () => done());
      child.kill('SIGTERM');
    });
  await start();
  return {
    url: `redis${tls ? 's' : ''}://:${encodeURIComponent(password)}@127.0.0.1:${port}`,
    password,
    port,
    async restart() {
      await end();
      await start();
    },
    async stop() {
      await end();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A client for the test. */
export const redisClient = (server: RedisServer): Redis =>
  new Redis({ host: '127.0.0.1', port: server.port, password: server.password });

function findServer(): { command: string; env: NodeJS.ProcessEnv } {
  if (process.env.RHM_REDIS_SERVER) return { command: process.env.RHM_REDIS_SERVER, env: {} };
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin'])
    for (const name of ['redis-server', 'valkey-server'])
      if (folder && existsSync(join(folder, name))) return { command: join(folder, name), env: {} };
  const folder = debianPackages(
    'redis-server-debian',
    ['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2', 'libatomic1'],
    ['usr/bin/redis-server'],
    'no Redis server: install redis-server or valkey-server, or set RHM_REDIS_SERVER to its path',
  );
  return { command: join(folder, 'usr/bin/redis-server'), env: { LD_LIBRARY_PATH: librariesOf(folder) } };
}

export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });
}
