/**
 * `rhm-lab/engine`: the plan builder, the operations, the executors and the models, for programs that build their own steps. A GPU is
 * opened by the platform: `openGpu` of rhm-lab/node, /deno or /web.
 */
export * from '../core/errors.js';
export { attention } from '../kernels/attention.js';
export { type BlendOptions, blend } from '../kernels/blend.js';
export { columnSum } from '../kernels/columnSum.js';
export { crossEntropy } from '../kernels/crossEntropy.js';
export { dropout } from '../kernels/dropout.js';
export { embed } from '../kernels/embed.js';
export { fold } from '../kernels/fold.js';
export { gradientOperations } from '../kernels/gradients.js';
export { gpuExecutor, referenceExecutor, wasmExecutor } from '../kernels/index.js';
export { layerNorm } from '../kernels/layerNorm.js';
export { type MatmulOptions, type MatrixView, matmul } from '../kernels/matmul.js';
export { meanPositions } from '../kernels/meanPositions.js';
export { multiply } from '../kernels/multiply.js';
export { rmsNorm } from '../kernels/rmsNorm.js';
export { softmax } from '../kernels/softmax.js';
export { unfold } from '../kernels/unfold.js';
export { createModel, models } from '../models/index.js';
export {
  asIs,
  declare,
  type Forward,
  type Init,
  type Model,
  type ModelShape,
  modelShape,
  type ParameterSpec,
} from '../models/types.js';
export { addGradients } from '../plan/backward.js';
export { type PlanBuilder, ProgramBuilder, reshape } from '../plan/builder.js';
export type { Executor, HostArray, LoadedProgram } from '../plan/executor.js';
export type { Call, Plan, Program, Tensor } from '../plan/types.js';
export type { WasmOptions } from '../wasm/executor.js';
export * from './models.js';
