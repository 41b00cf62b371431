/** `rhm-lab/node`: everything, with WebGPU by Dawn. */
export { nodePlatform as platform, type OpenNodeGpuOptions, openNodeGpu as openGpu } from '../platform/node.js';
export * from './gpu.js';
