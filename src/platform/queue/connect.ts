/** Connections to a Redis or Valkey server. Its clients are loaded only here; messages contain no passwords. */
import { isIP } from 'node:net';
import type * as BullMQ from 'bullmq';
import type { Redis, RedisOptions } from 'ioredis';
import { InputError, QueueError } from '../../core/errors.js';

export interface QueueConnection {
  readonly shown: string; // the address without the password
  readonly bullmq: typeof BullMQ;
  readonly redis: Redis;
  /** One more connection; BullMQ needs a separate one to wait on. */
  connect(): Redis;
  close(): Promise<void>;
}

/** The queue of all runs; workers take runs from it regardless of the submitter. */
export const QUEUE = 'runs';
export const PREFIX = 'rhm';

interface Address {
  options: RedisOptions;
  shown: string;
  secrets: string[];
}

const WANTED =
  'pass redis://[user:password@]host[:port][/database], or rediss:// for TLS (valkey:// and valkeys:// mean the same)';

/** @throws InputError that does not repeat the text, which may contain a password. */
export function parseQueueUrl(text: string): Address {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InputError(`queue: that is not an address; ${WANTED}`);
  }
  const scheme = url.protocol.replace(/:$/, '').replace('valkey', 'redis');
  if (scheme !== 'redis' && scheme !== 'rediss')
    throw new InputError(`queue: the scheme ${url.protocol}// is not known; ${WANTED}`);
  const database = url.pathname.replace(/^\//, '');
  if (!url.hostname || !/^\d*$/.test(database))
    throw new InputError(`queue: no host or no database number in the address; ${WANTED}`);
  const [username, password] = [url.username, url.password].map(decode);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || 6379;
  const options: RedisOptions = { host, port, db: Number(database) };
  if (username) options.username = username;
  if (password) options.password = password;
  if (scheme === 'rediss') options.tls = isIP(host) ? {} : { servername: host };
  const who = username || password ? `${username}${password ? ':***' : ''}@` : '';
  const shown = `${url.protocol}//${who}${url.hostname}:${port}${database ? `/${database}` : ''}`;
  return { options, shown, secrets: [password, url.password].filter(Boolean) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Connects and waits for one answer; afterwards connections are restored whenever the server returns.
 * @throws QueueError for an unreachable host, a wrong password, a certificate that is not trusted, a server that is too old.
 */
export async function connectQueue(text: string, report: (line: string) => void): Promise<QueueConnection> {
  const address = parseQueueUrl(text);
  const { bullmq, Redis } = await loadClients();
  await probe(Redis, address);
  const open: Redis[] = [];
  let lost = false;
  const connect = (): Redis => {
    const redis = new Redis({
      ...address.options,
      maxRetriesPerRequest: null, // wait, however long the server is unreachable
      retryStrategy: (attempt) => Math.min(100 * attempt, 2000),
    });
    redis.on('error', (error) => {
      if (!lost)
        report(`${address.shown}: ${hide(error.message || String(error), address)}; trying again until it answers`);
      lost = true;
    });
    redis.on('ready', () => {
      if (lost) report(`${address.shown}: answers again`);
      lost = false;
    });
    open.push(redis);
    return redis;
  };
  return {
    shown: address.shown,
    bullmq,
    redis: connect(),
    connect,
    async close() {
      for (const redis of open) redis.disconnect();
    },
  };
}

async function loadClients(): Promise<{ bullmq: typeof BullMQ; Redis: typeof Redis }> {
  try {
    const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')]);
    const whole = <T extends object>(module: T): T =>
      'default' in module ? { ...(module.default as T), ...module } : module;
    return { bullmq: whole(bullmq), Redis: ioredis.Redis };
  } catch (error) {
    throw new QueueError(
      `queue: the packages bullmq and ioredis could not be loaded (${(error as Error).message.split('\n')[0]}); npm install bullmq ioredis`,
      { cause: error },
    );
  }
}

async function probe(Client: typeof Redis, address: Address): Promise<void> {
  const redis = new Client({
    ...address.options,
    lazyConnect: true,
    connectTimeout: 5000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let reason: Error | undefined;
  redis.on('error', (error) => {
    reason ??= error;
  });
  try {
    await redis.connect();
    await redis.ping();
    const version = /redis_version:(\d+)\.(\d+)/.exec(await redis.info('server'));
    if (version && Number(version[1]) < 5)
      throw new QueueError(
        `queue ${address.shown}: Redis ${version[1]}.${version[2]} is too old; 5.0 or newer is needed`,
      );
  } catch (error) {
    if (error instanceof QueueError) throw error;
    throw refusal(address, reason ?? (error as Error));
  } finally {
    redis.disconnect();
  }
}

const remedies: [pattern: RegExp, remedy: string][] = [
  [/WRONGPASS|invalid (username|password)/i, 'the user name or the password is wrong'],
  [/NOAUTH/, 'the server requires a password: redis://:password@host'],
  [/NOPERM/, 'this user may not do that; give it the rights that BullMQ needs'],
  [/ECONNREFUSED/, 'nothing listens there; start the server, or correct host and port'],
  [/ENOTFOUND|EAI_AGAIN/, 'the host name is not known; correct it'],
  [
    /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/,
    'no answer; check address, network and firewall, and whether the server speaks TLS there (rediss://) or not (redis://)',
  ],
  [/certificate|self.signed|CERT_/i, 'its certificate is not trusted; name its authority in NODE_EXTRA_CA_CERTS'],
  [
    /wrong version number|SSL|TLS|ECONNRESET|socket (hang up|closed)|Connection is closed/i,
    'one side uses TLS and the other does not; try rediss:// for redis://, or the other way round',
  ],
];

function refusal(address: Address, error: Error): QueueError {
  const text = `${(error as NodeJS.ErrnoException).code ?? ''} ${error.message}`.trim();
  const [, remedy] = remedies.find(([pattern]) => pattern.test(text)) ?? [];
  return new QueueError(
    `queue ${address.shown}: ${hide(error.message || text, address)}; ${remedy ?? 'check the server'}`,
    { cause: error },
  );
}

/** A message without the passwords of the address. */
function hide(text: string, { secrets }: Address): string {
  return secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
}
