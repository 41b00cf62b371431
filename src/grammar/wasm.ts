import { instantiateOn } from '../core/wasmModule.js';

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

export const instantiate = (memory: WebAssembly.Memory): Promise<SamplerExports> =>
  instantiateOn<SamplerExports>(memory);
