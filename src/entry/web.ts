/** `rhm-lab/web`: everything, with the browser's WebGPU. Needs no bundler. */
export { browserPlatform as platform, openBrowserGpu as openGpu } from '../platform/browser.js';
export * from './gpu.js';
