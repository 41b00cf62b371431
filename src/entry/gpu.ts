/** The exports that every entry with a GPU shares, in addition to its platform. */
export {
  type AdapterSummary,
  describeAdapter,
  type GpuLimits,
  type GpuSession,
  type OpenGpuOptions,
} from '../gpu/device.js';
export { compileShader, createBuffer, readBuffer, scoped } from '../gpu/scope.js';
export { type GpuTime, timePass } from '../gpu/timing.js';
export { gpuExecutor, referenceExecutor, wasmExecutor } from '../kernels/index.js';
export { measures } from '../measures/index.js';
export type { Measure, MeasureContext, MeasureSpec, MeasureTable, MeasureValue } from '../models/measure.js';
export type { Executor, HostArray, LoadedProgram } from '../plan/executor.js';
export {
  type DispatchCost,
  type DoctorReport,
  doctorText,
  examine,
  type KernelReport,
  type MatmulSpeed,
} from '../platform/doctor.js';
export { type ExecutorChoice, type ExecutorName, type OpenExecutor, openExecutor } from '../platform/executor.js';
export type { OpenPlatformGpuOptions, Platform } from '../platform/platform.js';
export type { SweepOptions } from '../platform/sweepThreads.js';
export { progress, type Remote, type WorkerHandle } from '../platform/worker.js';
export { expandGrid, type Grid, type SweepRun } from '../sweep/grid.js';
export { type GridSearch, searchesOf } from '../sweep/gridSearch.js';
export { runSweep, type ScheduleOptions, type SweepEvent, type SweepResult } from '../sweep/schedule.js';
export { type Found, runSearches, type Search, type SearchHooks } from '../sweep/search.js';
export { GridError, type GridFault } from '../sweep/spec.js';
export type { SweepStore } from '../sweep/store.js';
export { type Batch, type BatchOptions, batches, type Split, type SplitOptions } from '../training/batches.js';
export { MemoryFolder, type RunFolder } from '../training/folder.js';
export { groupKey } from '../training/groupKey.js';
export { hiddenLayers, type Logits, type Numbers } from '../training/logits.js';
export {
  type FailedRun,
  type GroupOptions,
  type GroupResult,
  type GroupRun,
  type Progress,
  type RunMoment,
  type RunStart,
  type TrainOptions,
  type TrainResult,
  train,
  trainGroup,
} from '../training/loop.js';
export type { Evaluation, ReplicaState, Trainer } from '../training/trainer.js';
export type { WasmOptions } from '../wasm/executor.js';
export type {
  GivenNetwork,
  GroupRunOptions,
  GroupRunRequest,
  Lab,
  LabOptions,
  LogitsOptions,
  Network,
  RefusedRun,
  Report,
  RunOptions,
  RunPlace,
  SampleRequest,
  StoredNetwork,
  TrainedRun,
} from '../worker/lab.js';
export { createLab } from '../worker/lazy.js';
export * from './index.js';
export * from './models.js';
