/**
 * A training step as data: named tensors and a fixed list of kernel calls over them. Nothing here depends on a device; the
 * executors (WebGPU, WebAssembly, float64 reference) all run the same program.
 */
export type DType = 'f32' | 'u32';

/** Where a tensor is stored. Blocks are the flat [R, P] buffers that the optimiser updates in one dispatch. */
export type Role =
  | 'parameter' // a slice of the block `params`
  | 'gradient' // the slice of the block `grads` with the same offset
  | 'persistent' // kept between steps; the host may write and read it
  | 'activation'; // scratch of one plan; its memory is reused when its last reader is done

/**
 * A named array with a leading replica dimension. Element (r, i) is at offset + r * replicaStride + i of its buffer, where i
 * counts the remaining dimensions in row-major order.
 */
export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[]; // [R, ...]
  readonly dtype: DType;
  readonly role: Role;
  readonly buffer: string; // name of its buffer; for activations their own name until memory is planned
  readonly offset: number; // elements, a multiple of 64 so that a GPU can bind there
  readonly replicaStride: number; // elements between replicas
  readonly half?: true; // stored as f16, four elements in two words; set for GPUs alone (src/kernels/shared/storedHalves.ts)
}

export type ParamValue = number | string | boolean;

/** One kernel call. `inputs` are only read; `outputs` are written, and also read if the operation accumulates. */
export interface Call {
  readonly op: string;
  readonly label: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly params: Readonly<Record<string, ParamValue>>;
}

export interface Plan {
  readonly name: string;
  readonly calls: readonly Call[];
}

/** A buffer that the executor allocates: `elements` 4-byte words. */
export interface BufferSpec {
  readonly name: string;
  readonly elements: number;
  readonly dtype: DType;
}

/** Everything an executor needs: the buffers, the tensors in them, and the plans that can be run. */
export interface Program {
  readonly replicas: number; // R
  readonly buffers: readonly BufferSpec[];
  readonly tensors: ReadonlyMap<string, Tensor>; // parameters, gradients and persistent tensors by name
  readonly plans: ReadonlyMap<string, Plan>;
  /** Activations: buffer name -> slot buffer, so that tensors whose lives do not meet share memory. */
  readonly slots: ReadonlyMap<string, string>;
  readonly parameterCount: number; // P, elements of one replica's row in `params`, including padding
}

/** Elements of one replica: the product of all dimensions except the first. */
export function elementsPerReplica(tensor: Tensor): number {
  return tensor.shape.slice(1).reduce((a, b) => a * b, 1);
}

/** Elements from the tensor's first to its last, over all replicas. */
export function spanElements(tensor: Tensor): number {
  return (tensor.shape[0] - 1) * tensor.replicaStride + elementsPerReplica(tensor);
}

/** 4-byte words that the tensor takes, over all replicas. */
export function spanWords(tensor: Tensor): number {
  return Math.ceil(spanElements(tensor) / (tensor.half ? 2 : 1));
}
