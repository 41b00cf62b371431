/** What every entry with a GPU offers besides its platform. */
export {
  type AdapterSummary,
  describeAdapter,
  type GpuLimits,
  type GpuSession,
  type OpenGpuOptions,
} from '../gpu/device.js';
export { compileShader, createBuffer, readBuffer, scoped } from '../gpu/scope.js';
export { type GpuTime, timePass } from '../gpu/timing.js';
export { type DoctorReport, examine } from '../platform/doctor.js';
export type { OpenPlatformGpuOptions, Platform } from '../platform/platform.js';
export { progress, type WorkerHandle } from '../platform/worker.js';
export { createLab, type Lab, type LabOptions, type Report } from '../worker/lab.js';
export * from './index.js';
