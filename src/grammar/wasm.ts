import sharedBytes from '../../build/wasm/shared.wasm';
import singleBytes from '../../build/wasm/single.wasm';
import { compileWasm, wasmMemory } from '../core/compileWasm.js';

/** Functions of assembly/index.ts that this folder calls. Pointers are byte offsets into the module's memory. */
export interface SamplerExports {
  heapBase(): number;
  threefry(k0: number, k1: number, c0: number, c1: number): bigint;
  permute(k0: number, k1: number, size: bigint, bits: number, x: bigint): bigint;
  fillNormal(k0: number, k1: number, first: number, count: number, out: number, scratch: number): void;
  normalTail(p: number): number;
  samplePart(job: number, scratch: number): void;
  generalScratchBytes(image: number): number;
  fastScratchBytes(plan: number): number;
  sampleGeneral(
    image: number,
    source: number,
    change: number,
    startLow: number,
    startHigh: number,
    count: number,
    tokens: number,
    tokenBytes: number,
    symbols: number,
    rules: number,
    scratch: number,
  ): void;
  sampleFast(
    plan: number,
    key0: number,
    key1: number,
    startLow: number,
    startHigh: number,
    count: number,
    output: number,
    scratch: number,
  ): void;
}

const compiled: { single?: Promise<WebAssembly.Module>; shared?: Promise<WebAssembly.Module> } = {};

/** A memory that the modules accept. initialBytes is rounded up to pages of 64 KiB; shared needs SharedArrayBuffer. */
export function newMemory(initialBytes: number, shared = false): WebAssembly.Memory {
  return wasmMemory({ initial: Math.max(1, Math.ceil(initialBytes / 65536)), maximum: 65536, shared });
}

/** The module for one thread (`single`) or for several on one memory (`shared`). */
export function samplerModule(kind: 'single' | 'shared'): Promise<WebAssembly.Module> {
  compiled[kind] ??= compileWasm(kind === 'shared' ? sharedBytes : singleBytes);
  return compiled[kind];
}

/** Instantiates the module that fits the memory; compiled once per process. */
export async function instantiate(memory: WebAssembly.Memory): Promise<SamplerExports> {
  const shared = typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
  const module = await samplerModule(shared ? 'shared' : 'single');
  const env = { memory, abort: () => undefined };
  const instance = await WebAssembly.instantiate(module, { env });
  return instance.exports as unknown as SamplerExports;
}
