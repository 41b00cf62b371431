/** `rhm-lab/deno`: everything, with Deno's own WebGPU. */
export { denoPlatform as platform, openDenoGpu as openGpu } from '../platform/deno.js';
export * from './gpu.js';
