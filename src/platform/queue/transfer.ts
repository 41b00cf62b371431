/** Files of runs on their way through Redis: what a worker made goes to the store of whoever submitted the run. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Redis } from 'ioredis';
import { PREFIX } from './connect.js';

const PART_BYTES = 16 * 2 ** 20; // of one field
const KEEP_SECONDS = 7 * 24 * 3600; // results that nobody collects are forgotten

/** Names of what a store's runs have in Redis beside their jobs. */
export const keysOf = (store: string) => ({
  finished: `${PREFIX}:finished:${store}`, // set of hashes whose result is there
  sizes: `${PREFIX}:sizes:${store}`, // hash: bytes of its result
  result: (hash: string) => `${PREFIX}:result:${store}:${hash}`,
  partial: (hash: string) => `${PREFIX}:partial:${store}:${hash}`, // of a run that was handed back
});

export type RunFileData = ReadonlyMap<string, Uint8Array>;

async function fieldsOf(files: RunFileData): Promise<{ fields: Map<string, Buffer>; bytes: number }> {
  const fields = new Map<string, Buffer>();
  const parts: Record<string, number> = {};
  let bytes = 0;
  for (const [name, data] of files) {
    const packed = await promisify(gzip)(data, { level: 1 });
    parts[name] = Math.max(1, Math.ceil(packed.length / PART_BYTES));
    bytes += packed.length;
    for (let i = 0; i < parts[name]; i++)
      fields.set(`${name}#${i}`, packed.subarray(i * PART_BYTES, (i + 1) * PART_BYTES));
  }
  fields.set('parts', Buffer.from(JSON.stringify(parts)));
  return { fields, bytes };
}

/** Puts a run's complete files there. Doing it twice is as doing it once. */
export async function putResult(redis: Redis, store: string, hash: string, files: RunFileData): Promise<void> {
  const keys = keysOf(store);
  const { fields, bytes } = await fieldsOf(files);
  await redis
    .multi()
    .del(keys.result(hash), keys.partial(hash))
    .hset(keys.result(hash), fields)
    .expire(keys.result(hash), KEEP_SECONDS)
    .hset(keys.sizes, hash, bytes)
    .sadd(keys.finished, hash)
    .expire(keys.sizes, KEEP_SECONDS)
    .expire(keys.finished, KEEP_SECONDS)
    .exec();
}

/** Puts the files of a run that is handed back there, for the next worker. */
export async function putPartial(redis: Redis, store: string, hash: string, files: RunFileData): Promise<void> {
  const key = keysOf(store).partial(hash);
  const { fields } = await fieldsOf(files);
  await redis.multi().del(key).hset(key, fields).expire(key, KEEP_SECONDS).exec();
}

/** undefined: nothing is there, or not all of it. */
export async function getFiles(redis: Redis, key: string): Promise<RunFileData | undefined> {
  const fields = await redis.hgetallBuffer(key);
  if (!fields.parts) return undefined;
  const files = new Map<string, Uint8Array>();
  for (const [name, count] of Object.entries(JSON.parse(fields.parts.toString()) as Record<string, number>)) {
    const parts = Array.from({ length: count }, (_, i) => fields[`${name}#${i}`]);
    if (parts.some((part) => !part)) return undefined;
    files.set(name, new Uint8Array(await promisify(gunzip)(Buffer.concat(parts))));
  }
  return files;
}

/** Forgets a result that is safe in its store. */
export async function dropResult(redis: Redis, store: string, hash: string): Promise<void> {
  const keys = keysOf(store);
  await redis
    .multi()
    .del(keys.result(hash), keys.partial(hash))
    .hdel(keys.sizes, hash)
    .srem(keys.finished, hash)
    .exec();
}

/** Bytes of all results of a store that wait to be collected. */
export async function uncollectedBytes(redis: Redis, store: string): Promise<number> {
  const sizes = await redis.hvals(keysOf(store).sizes);
  return sizes.reduce((sum, size) => sum + Number(size), 0);
}
