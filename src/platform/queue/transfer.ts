/** Transfer of run files through Redis: a worker's results go to the store from which the run was submitted. */
import { constants } from 'node:buffer';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { ChainableCommander, Redis } from 'ioredis';
import { InputError } from '../../core/errors.js';
import { files, isRunFile, parseJson, printableLine, type RunFileName } from '../../core/outside.js';
import type { ReadSent, RunFileData } from '../../sweep/received.js';
import { PREFIX } from './connect.js';

const PART_BYTES = 16 * 2 ** 20; // bytes of one field
const MOST_PARTS = 4096; // parts of one file: 64 GiB
const KEEP_SECONDS = 7 * 24 * 3600; // results that are not collected expire after this time
const KEPT_REFUSED_BYTES = 64 * 2 ** 20; // unreadable results are kept for inspection, unless they are larger

/** Keys under which data of a store's runs is in Redis, besides their jobs. */
export const keysOf = (store: string) => ({
  finished: `${PREFIX}:finished:${store}`, // set of hashes whose results are there
  sizes: `${PREFIX}:sizes:${store}`, // hash: bytes of its result
  result: (hash: string) => `${PREFIX}:result:${store}:${hash}`,
  partial: (hash: string) => `${PREFIX}:partial:${store}:${hash}`, // files of a run that was handed back
  refused: (hash: string) => `${PREFIX}:refused:${store}:${hash}`, // a result that could not be read
});

const dataKey = (digest: string): string => `${PREFIX}:data:${digest}`;

/** Puts rows there that runs are trained on, unless they are, and keeps them for another week. @throws what the server says */
export async function putData(redis: Redis, digest: string, bytes: () => Uint8Array): Promise<void> {
  const key = dataKey(digest);
  if (await redis.expire(key, KEEP_SECONDS)) return;
  const packed = await promisify(gzip)(bytes(), { level: 1 });
  const fields = new Map<string, Buffer>();
  for (let i = 0; i * PART_BYTES < packed.length; i++)
    fields.set(String(i), packed.subarray(i * PART_BYTES, (i + 1) * PART_BYTES));
  await all(setFields(redis.multi().del(key), key, fields));
}

/** Rows that were put there; undefined: they are not there. @throws InputError for what is more than `most` bytes, or damaged */
export async function getData(redis: Redis, digest: string, most: number): Promise<Uint8Array | undefined> {
  const key = dataKey(digest);
  if (!(await redis.expire(key, KEEP_SECONDS)) || (await redis.type(key)) !== 'hash') return undefined;
  return unpack('data', await partsIn(redis, key, (i) => String(i), await redis.hlen(key), 'data', most), most);
}

/** Takes rows that cannot be read out of the way: whoever submitted them sends them again. */
export async function dropData(redis: Redis, digest: string): Promise<void> {
  await redis.del(dataKey(digest));
}

/** A run's files as sent through the server. */
export interface Packed {
  readonly fields: ReadonlyMap<string, Buffer>;
  readonly bytes: number;
}

export async function packFiles(data: RunFileData): Promise<Packed> {
  const fields = new Map<string, Buffer>();
  const parts: Partial<Record<RunFileName, number>> = {};
  let bytes = 0;
  for (const [name, content] of data) {
    const packed = await promisify(gzip)(content, { level: 1 });
    const count = Math.max(1, Math.ceil(packed.length / PART_BYTES));
    parts[name] = count;
    bytes += packed.length;
    for (let i = 0; i < count; i++) fields.set(`${name}#${i}`, packed.subarray(i * PART_BYTES, (i + 1) * PART_BYTES));
  }
  fields.set('parts', Buffer.from(JSON.stringify(parts)));
  return { fields, bytes };
}

/** Stores the complete files of a run. Idempotent. @throws errors of the server */
export async function putResult(redis: Redis, store: string, hash: string, { fields, bytes }: Packed): Promise<void> {
  const keys = keysOf(store);
  const commands = redis.multi().del(keys.result(hash), keys.partial(hash));
  setFields(commands, keys.result(hash), fields);
  await all(
    commands
      .hset(keys.sizes, hash, bytes)
      .sadd(keys.finished, hash)
      .expire(keys.sizes, KEEP_SECONDS)
      .expire(keys.finished, KEEP_SECONDS),
  );
}

/** Stores the files of a run that is handed back, for the next worker. @throws errors of the server */
export async function putPartial(redis: Redis, store: string, hash: string, { fields }: Packed): Promise<void> {
  const key = keysOf(store).partial(hash);
  await all(setFields(redis.multi().del(key), key, fields));
}

function setFields(commands: ChainableCommander, key: string, fields: Packed['fields']): ChainableCommander {
  for (const [name, data] of fields) commands.hset(key, name, data); // one by one, because the size of a command is limited too
  return commands.expire(key, KEEP_SECONDS);
}

/** A transaction; errors inside it are thrown as well: exec() alone resolves with them among the replies. */
async function all(commands: ChainableCommander): Promise<void> {
  const answers = await commands.exec();
  const error = answers?.find(([failed]) => failed)?.[0];
  if (error) throw error;
  if (!answers) throw new Error('the server discarded the transaction');
}

/**
 * Opens the stored files: undefined if there are none. They are unpacked one by one, each within its bound.
 * @throws InputError for names, counts and sizes that no run has
 */
export async function openSent(redis: Redis, key: string): Promise<ReadSent | undefined> {
  if ((await redis.type(key)) !== 'hash') return undefined;
  if (!(await redis.hexists(key, 'parts'))) return undefined;
  if ((await redis.hstrlen(key, 'parts')) > 4096) throw new InputError('parts: too long for the list of a run');
  const counts = partsOf(parseJson((await redis.hgetBuffer(key, 'parts')) ?? new Uint8Array(), 'parts'));
  return async (file, most) => {
    const count = counts.get(file);
    if (count === undefined) return undefined;
    return unpack(file, await partsIn(redis, key, (i) => `${file}#${i}`, count, file, most), most);
  };
}

/** Fields of a hash one after the other. what: for messages. @throws InputError when they are more than `most` bytes can become */
async function partsIn(
  redis: Redis,
  key: string,
  field: (part: number) => string,
  count: number,
  what: string,
  most: number,
): Promise<Buffer> {
  const packedMost = most + most / 1000 + 2 ** 12; // gzip adds little to what it cannot make smaller
  const parts: Buffer[] = [];
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    bytes += await redis.hstrlen(key, field(i));
    if (bytes > packedMost) throw new InputError(`${what}: more than ${most} bytes, which no such run has`);
    const part = await redis.hgetBuffer(key, field(i));
    if (!part) throw new InputError(`${what}: part ${i} of ${count} is missing`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function partsOf(value: unknown): ReadonlyMap<RunFileName, number> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const counts = new Map<RunFileName, number>();
  for (const [name, count] of entries) {
    if (!isRunFile(name))
      throw new InputError(`parts: contains ${printableLine(name, 100)}; a run has ${Object.values(files).join(', ')}`);
    if (!Number.isInteger(count) || (count as number) < 1 || (count as number) > MOST_PARTS)
      throw new InputError(`parts: ${name} in ${printableLine(JSON.stringify(count) ?? '', 40)} parts`);
    counts.set(name, count as number);
  }
  return counts;
}

/** @throws InputError for data that is not gzip, or grows beyond its bound; unpacking stops there. */
async function unpack(file: string, packed: Buffer, most: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await promisify(gunzip)(packed, { maxOutputLength: Math.min(most, constants.MAX_LENGTH) }));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const what = code === 'ERR_BUFFER_TOO_LARGE' ? `more than ${most} bytes, which no such run has` : message;
    throw new InputError(`${file}: ${what}`, { cause: error });
  }
}

/** Deletes a result that is safe in its store. */
export async function dropResult(redis: Redis, store: string, hash: string): Promise<void> {
  const keys = keysOf(store);
  await all(redis.multi().del(keys.result(hash), keys.partial(hash)).hdel(keys.sizes, hash).srem(keys.finished, hash));
}

/** Sets an unreadable result aside; it is kept under another name for a while, for inspection. */
export async function refuseResult(redis: Redis, store: string, hash: string): Promise<void> {
  const keys = keysOf(store);
  const bytes = Number((await redis.memory('USAGE', keys.result(hash)).catch(() => null)) ?? 0);
  if (bytes > 0 && bytes <= KEPT_REFUSED_BYTES) {
    await redis.rename(keys.result(hash), keys.refused(hash)).catch(() => {});
    await redis.expire(keys.refused(hash), KEEP_SECONDS);
  }
  await dropResult(redis, store, hash);
}

/** Bytes of all results of a store that have not been collected. */
export async function uncollectedBytes(redis: Redis, store: string): Promise<number> {
  const sizes = await redis.hvals(keysOf(store).sizes);
  return sizes.reduce((sum, size) => sum + (Number(size) || 0), 0);
}

/** Why the server refuses data, and the remedy. bytes: size of the refused result. */
export async function storageProblem(redis: Redis, error: unknown, bytes = 0): Promise<string> {
  const texts = [error, ...((error as { previousErrors?: unknown[] }).previousErrors ?? [])].map((e) =>
    e instanceof Error ? e.message : String(e),
  );
  const text = printableLine(texts.find((t) => /OOM|NOPERM|MISCONF|READONLY/.test(t)) ?? texts[0]);
  if (!/OOM/.test(text)) return `${text}; trying again until the server takes it`;
  const MiB = (n: number) => `${(n / 2 ** 20).toFixed(1)} MiB`;
  const memory = await redis.info('memory').catch(() => '');
  const [used, most] = ['used_memory', 'maxmemory'].map((name) =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(memory)?.[1] ?? 0),
  );
  const where = most ? `${MiB(used)} of maxmemory ${MiB(most)} are taken` : 'its memory is used up';
  const needed = most ? `raise maxmemory to at least ${MiB(Math.max(used, most) + 2 * bytes + 2 ** 20)}, or ` : '';
  const result = bytes ? `, this result needs ${MiB(bytes)}` : '';
  return `the server is out of memory: ${where}${result}; ${needed}collect results with rhm sweep submit; trying again until there is room`;
}
