import type { AdapterTraits, Dispatch, Scratch } from '../../gpu/dispatch.js';
import type { PlanBuilder } from '../../plan/builder.js';
import type { Call } from '../../plan/types.js';
import type { ShareScratch, WasmCommand } from '../../wasm/command.js';

/** The elements of a tensor on the host, first element first; replica r starts at r * stride. */
export interface HostView {
  readonly data: Float64Array | Uint32Array;
  readonly stride: number;
}
export type HostViews = Readonly<Record<string, HostView>>;

export interface Cost {
  readonly flops: number;
  readonly bytes: number; // each input read once, each output written once
}

/**
 * One operation: everything that executors need to run a call of it. The function that adds a call to a plan (checking shapes) is
 * in the same file.
 */
export interface KernelSpec {
  readonly op: string;
  /** Runs the call in float64 through src/reference. */
  reference(call: Call, views: HostViews): void;
  /** The dispatches that run the call on a WebGPU adapter. */
  webgpu(call: Call, traits: AdapterTraits, scratch: Scratch): Dispatch[];
  /** The commands that run the call in WebAssembly. */
  wasm(call: Call, scratch: ShareScratch): WasmCommand[];
  cost(call: Call): Cost;
  /** Small odd-shaped calls with random inputs, for `rhm doctor` and the tests. */
  readonly cases: readonly KernelCase[];
}

/** One checked call: builds it in an empty plan; the harness fills the inputs and compares all outputs. */
export interface KernelCase {
  readonly name: string;
  readonly replicas: number;
  /**
   * Adds the checked call as the last one; persistent tensors are its inputs and outputs. Earlier calls may compute an input of it;
   * `fill` finds their inputs by the tensors' names.
   */
  build(plan: PlanBuilder): void;
  /** Values of an input if standard normal (f32) is not suitable: element i of replica r. */
  fill?: Readonly<Record<string, (i: number, random: () => number) => number>>;
  /** Bound on |gpu - reference| <= atol + rtol * |reference|, derived where it is set. */
  readonly rtol: number;
  readonly atol: number;
  /** Outputs whose values are unspecified. */
  readonly skip?: readonly string[];
}
