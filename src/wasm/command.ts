import type { Tensor } from '../plan/types.js';

/** Memory used only within one call: `bytes` at `shared`, visible to all threads. */
export interface SharedScratch {
  readonly shared: number;
}

/** One parameter word: a whole number (negative ones as i32), a float, an address. */
export type WasmWord = number | { readonly f32: number } | { readonly address: Tensor } | SharedScratch;

/** One command of the compiled plan: the input of a kernel of assembly/kernels/. */
export interface WasmCommand {
  readonly kernel: string; // `matmul` for the constant OP_matmul, which the build writes
  readonly words: readonly WasmWord[];
  /** The maximum number of threads worth using; 1 leaves the command to the first thread. */
  readonly parts: number;
  /** Scratch of each thread, during this command. */
  readonly threadBytes?: number;
}

/** Reserves memory that all commands of one call share. */
export type ShareScratch = (bytes: number) => SharedScratch;

/** Turns a kernel call into commands; src/kernels implements it for every operation. */
export type WasmLowering<C> = (call: C, scratch: ShareScratch) => WasmCommand[];

/** The address of a tensor's first element; 0 without one. */
export function at(tensor: Tensor | undefined): WasmWord {
  return tensor ? { address: tensor } : 0;
}

/** Elements between replicas; 0 without a tensor. */
export function stride(tensor: Tensor | undefined): number {
  return tensor?.replicaStride ?? 0;
}

/** Threads worth using for `work` vector operations: 50000 take some 20 us, a barrier and moving the data several us. */
export function partsFor(work: number): number {
  return Math.max(1, Math.min(1024, Math.floor(work / 50_000)));
}
