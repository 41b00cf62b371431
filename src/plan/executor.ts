import { ShapeError } from '../core/errors.js';
import type { Simd } from '../core/simd.js';
import { elementsPerReplica, type Program, type Tensor } from './types.js';

export type HostArray = Float32Array | Float64Array | Uint32Array;

/** A program loaded on an executor. Calls are queued in order; only `read` and `finish` wait for the device. */
export interface LoadedProgram {
  readonly program: Program;
  /** Bytes of device memory held. */
  readonly memoryBytes: number;
  /** Queues `times` runs of a plan; resolves once they are queued (the queue is bounded). @throws an earlier error. */
  run(plan: string, times?: number): Promise<void>;
  /** Copies host data into a tensor: packed [R, ...], or with `replica` only that replica's part. */
  write(tensor: Tensor, data: HostArray | readonly number[], replica?: number): void;
  /** The tensor's elements, packed [R, ...], after all queued work. */
  read(tensor: Tensor): Promise<HostArray>;
  /** Resolves when all queued work is done. @throws an earlier error. */
  finish(): Promise<void>;
  /** Device time of every piece of a plan, in microseconds: each run alone, median over `repeats`. Changes the state. */
  profile?(plan: string, repeats?: number): Promise<{ label: string; us: number }[]>;
  destroy(): void;
}

/** The replicas that a `write` is for. @throws ShapeError if the data has a different length from what they need. */
export function replicasWritten(
  tensor: Tensor,
  data: ArrayLike<number>,
  replica?: number,
): [first: number, end: number] {
  const replicas: [number, number] = replica === undefined ? [0, tensor.shape[0]] : [replica, replica + 1];
  const wanted = elementsPerReplica(tensor) * (replicas[1] - replicas[0]);
  if (data.length !== wanted) {
    const shape = replica === undefined ? tensor.shape : tensor.shape.slice(1);
    throw new ShapeError(
      `write ${tensor.name}: got ${data.length} values, [${shape}] has ${wanted}; pass ${wanted} values`,
    );
  }
  return replicas;
}

/** Something that can run programs. */
export interface Executor {
  readonly kind: 'webgpu' | 'wasm' | 'reference';
  /** Description for people and records: adapter and driver, or the CPU executor and its threads. */
  readonly description: string;
  /** Description that the graphics driver gives of itself, if there is one. */
  readonly driver?: string | undefined;
  /** The runtime with its WebGPU implementation, such as `node 20.20.2 (Dawn, webgpu 0.6.2)`; if it uses one. */
  readonly runtime?: string | undefined;
  /** Arithmetic of its multiply-adds if there are two: a run keeps the one it began with. */
  readonly simd?: Simd | undefined;
  /** The same with that arithmetic. @throws InputError if it is not available, or another one was requested. */
  withSimd?(simd: Simd): Executor;
  /** How factors are rounded to f16: by matrix units, by slow integer arithmetic if that was requested, or not at all. */
  readonly half?: 'units' | 'emulated' | undefined;
  load(program: Program): Promise<LoadedProgram>;
}
