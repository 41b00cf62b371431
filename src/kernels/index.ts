import { ShapeError } from '../core/errors.js';
import type { GpuSession } from '../gpu/device.js';
import type { AdapterTraits, Dispatch, Scratch } from '../gpu/dispatch.js';
import { GpuExecutor } from '../gpu/executor.js';
import type { PipelineCache } from '../gpu/pipelines.js';
import type { Call } from '../plan/types.js';
import { ReferenceExecutor } from '../reference/executor.js';
import { WasmExecutor, type WasmOptions } from '../wasm/executor.js';
import { checkFactorsOnce } from './shared/checkedFactors.js';
import { fuseUpdates } from './shared/fuseUpdate.js';
import type { Operation } from './shared/operation.js';
import { storeHalves } from './shared/storedHalves.js';
import { kernels } from './table.js';

export { kernels };

export function kernelOf(call: Call): Operation {
  const spec = kernels[call.op];
  if (!spec) throw new ShapeError(`${call.op} (${call.label}): no such operation; there are ${Object.keys(kernels)}`);
  return spec;
}

/** Runs programs on a WebGPU device. tuned: winners of `rhm tune` for this adapter. emulateHalf: see GpuExecutor. */
export function gpuExecutor(
  gpu: GpuSession,
  tuned?: ReadonlyMap<string, string>,
  overrides?: Partial<AdapterTraits>,
  pipelines?: PipelineCache,
  emulateHalf?: boolean,
): GpuExecutor {
  const lower = (call: Call, traits: AdapterTraits, scratch: Scratch): Dispatch[] =>
    kernelOf(call).webgpu(call, traits, scratch);
  return new GpuExecutor(
    gpu,
    lower,
    tuned,
    overrides,
    pipelines,
    (program, traits) => storeHalves(fuseUpdates(checkFactorsOnce(program)), traits),
    emulateHalf,
  );
}

/** Runs programs on the CPU. options: threads and how to start them; platforms know both. @throws InputError */
export function wasmExecutor(options: WasmOptions = {}): WasmExecutor {
  return new WasmExecutor((call, scratch) => kernelOf(call).wasm(call, scratch), options);
}

/** Runs programs in float64 on the host. */
export function referenceExecutor(): ReferenceExecutor {
  return new ReferenceExecutor((call, views) => kernelOf(call).reference(call, views));
}
