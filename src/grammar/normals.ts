/** Standard normal numbers of a stream in WebAssembly: the bits of core/normal.ts in less than half the time. */
import { fillNormal } from '../core/normal.js';
import type { Key } from '../core/threefry.js';
import { newMemory } from '../core/wasmModule.js';
import { instantiate } from './wasm.js';

/** Fills out with normalAt(key, 0), normalAt(key, 1), ... */
export type FillNormal = (key: Key, out: Float32Array) => void;

const CHUNK = 2 ** 16; // numbers copied from WebAssembly's memory at a time, a multiple of 8

let filler: Promise<FillNormal> | undefined;

/** Without WebAssembly: the slower function of core. */
export function normalFiller(): Promise<FillNormal> {
  filler ??= create().catch(() => fillNormal);
  return filler;
}

async function create(): Promise<FillNormal> {
  const memory = newMemory(65536);
  const wasm = await instantiate(memory);
  const scratch = Math.ceil(wasm.heapBase() / 64) * 64;
  const chunkAt = scratch + 64;
  memory.grow(Math.ceil((chunkAt + 4 * CHUNK) / 65536));
  const chunk = new Float32Array(memory.buffer, chunkAt, CHUNK);
  return ([k0, k1], out) => {
    for (let first = 0; first < out.length; first += CHUNK) {
      const count = Math.min(CHUNK, out.length - first);
      wasm.fillNormal(k0, k1, first, Math.ceil(count / 8) * 8, chunkAt, scratch);
      out.set(chunk.subarray(0, count), first);
    }
  };
}
