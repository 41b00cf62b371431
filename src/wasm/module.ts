/** Exports of the compiled modules of assembly/ for running plans. */
import type { Simd } from '../core/simd.js';
import { instantiateOn } from '../core/wasmModule.js';

export interface WasmExports {
  heapBase(): number;
  attach(control: number, thread: number): void;
  start(list: number, times: number): void;
  advance(): number;
  exp1(x: number): number;
  readonly [constant: `OP_${string}`]: WebAssembly.Global | undefined;
}

export const instantiate = (memory: WebAssembly.Memory, simd?: Simd): Promise<WasmExports> =>
  instantiateOn<WasmExports>(memory, simd);
