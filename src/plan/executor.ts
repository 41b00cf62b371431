import type { Program, Tensor } from './types.js';

export type HostArray = Float32Array | Float64Array | Uint32Array;

/** A program loaded on an executor. Calls are queued in order; only `read` and `finish` wait for the device. */
export interface LoadedProgram {
  readonly program: Program;
  /** Bytes of device memory held. */
  readonly memoryBytes: number;
  /** Queues `times` runs of a plan; resolves when they are queued (the queue is bounded). @throws an earlier error. */
  run(plan: string, times?: number): Promise<void>;
  /** Copies packed host data [R, ...] into a tensor. */
  write(tensor: Tensor, data: HostArray | readonly number[]): void;
  /** The tensor's elements, packed [R, ...], after all queued work. */
  read(tensor: Tensor): Promise<HostArray>;
  /** Resolves when all queued work is done. @throws an earlier error. */
  finish(): Promise<void>;
  /** Device time of every piece of a plan, in microseconds: each run alone, median over `repeats`. It changes the state. */
  profile?(plan: string, repeats?: number): Promise<{ label: string; us: number }[]>;
  destroy(): void;
}

/** Something that can run programs. */
export interface Executor {
  readonly kind: 'webgpu' | 'wasm' | 'reference';
  /** What runs, for people and records: adapter and driver, or the CPU executor and its threads. */
  readonly description: string;
  load(program: Program): Promise<LoadedProgram>;
}
