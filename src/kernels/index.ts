import { ShapeError } from '../core/errors.js';
import type { GpuSession } from '../gpu/device.js';
import type { AdapterTraits, Dispatch, Scratch } from '../gpu/dispatch.js';
import { GpuExecutor } from '../gpu/executor.js';
import type { PipelineCache } from '../gpu/pipelines.js';
import type { Call } from '../plan/types.js';
import { ReferenceExecutor } from '../reference/executor.js';
import { WasmExecutor, type WasmOptions } from '../wasm/executor.js';
import { adamwKernel } from './adamw.js';
import { attentionKernel } from './attention.js';
import { attentionBackwardKernel } from './attentionBackward.js';
import { blendKernel } from './blend.js';
import { clipKernel } from './clip.js';
import { columnSumKernel } from './columnSum.js';
import { crossEntropyKernel } from './crossEntropy.js';
import { dropoutKernel } from './dropout.js';
import { embedKernel } from './embed.js';
import { embedBackwardKernel } from './embedBackward.js';
import { foldKernel } from './fold.js';
import { fuseUpdates } from './fuseUpdate.js';
import { layerNormKernel } from './layerNorm.js';
import { layerNormBackwardKernel } from './layerNormBackward.js';
import { matmulKernel } from './matmul.js';
import { meanPositionsKernel } from './meanPositions.js';
import { meanPositionsBackwardKernel } from './meanPositionsBackward.js';
import { reduceKernel } from './reduce.js';
import { ridgeKernel } from './ridge.js';
import { sampleKernel } from './sample.js';
import { sgdKernel } from './sgd.js';
import { similarityKernel } from './similarity.js';
import { tickKernel } from './tick.js';
import type { KernelSpec } from './types.js';
import { unfoldKernel } from './unfold.js';
import { uniformFillKernel } from './uniformFill.js';

/** Every operation a plan may call. One line an operation. */
export const kernels = {
  sample: sampleKernel,
  embed: embedKernel,
  embedBackward: embedBackwardKernel,
  blend: blendKernel,
  columnSum: columnSumKernel,
  meanPositions: meanPositionsKernel,
  meanPositionsBackward: meanPositionsBackwardKernel,
  matmul: matmulKernel,
  similarity: similarityKernel,
  ridge: ridgeKernel,
  tick: tickKernel,
  adamw: adamwKernel,
  sgd: sgdKernel,
  crossEntropy: crossEntropyKernel,
  attention: attentionKernel,
  attentionBackward: attentionBackwardKernel,
  layerNorm: layerNormKernel,
  layerNormBackward: layerNormBackwardKernel,
  dropout: dropoutKernel,
  reduce: reduceKernel,
  clip: clipKernel,
  uniformFill: uniformFillKernel,
  unfold: unfoldKernel,
  fold: foldKernel,
} satisfies Record<string, KernelSpec>;

export function kernelOf(call: Call): KernelSpec {
  const spec = (kernels as Record<string, KernelSpec>)[call.op];
  if (!spec) throw new ShapeError(`${call.op} (${call.label}): no such operation; there are ${Object.keys(kernels)}`);
  return spec;
}

/** Runs programs on a WebGPU device. tuned: winners of `rhm tune` for this adapter. */
export function gpuExecutor(
  gpu: GpuSession,
  tuned?: ReadonlyMap<string, string>,
  overrides?: Partial<AdapterTraits>,
  pipelines?: PipelineCache,
): GpuExecutor {
  const lower = (call: Call, traits: AdapterTraits, scratch: Scratch): Dispatch[] =>
    kernelOf(call).webgpu(call, traits, scratch);
  return new GpuExecutor(gpu, lower, tuned, overrides, pipelines, (program) => fuseUpdates(program));
}

/** Runs programs on the CPU. options: threads and how to start them; platforms know both. @throws InputError */
export function wasmExecutor(options: WasmOptions = {}): WasmExecutor {
  return new WasmExecutor((call, scratch) => kernelOf(call).wasm(call, scratch), options);
}

/** Runs programs in float64 on the host. */
export function referenceExecutor(): ReferenceExecutor {
  return new ReferenceExecutor((call, views) => kernelOf(call).reference(call, views));
}
