/** The compiled modules of assembly/ and what they export for running plans. */

import sharedBytes from '../../build/wasm/shared.wasm';
import singleBytes from '../../build/wasm/single.wasm';
import { compileWasm } from '../core/compileWasm.js';

export interface WasmExports {
  heapBase(): number;
  attach(control: number, thread: number): void;
  start(list: number, times: number): void;
  advance(): number;
  exp1(x: number): number;
  readonly [constant: `OP_${string}`]: WebAssembly.Global | undefined;
}

const compiled: { single?: Promise<WebAssembly.Module>; shared?: Promise<WebAssembly.Module> } = {};

/** The module for one thread (`single`) or for several on one memory (`shared`); compiled once per process. */
export function wasmModule(kind: 'single' | 'shared'): Promise<WebAssembly.Module> {
  compiled[kind] ??= compileWasm(kind === 'shared' ? sharedBytes : singleBytes);
  return compiled[kind];
}

export async function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<WasmExports> {
  const instance = await WebAssembly.instantiate(module, { env: { memory, abort: () => undefined } });
  return instance.exports as unknown as WasmExports;
}
