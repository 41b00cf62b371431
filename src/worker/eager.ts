/** An entry of the build alone: what a page needs at once gets chunks without the rest, which bundlers then load when it is needed. */
export { browserPlatform } from '../platform/browser.js';
export { isForeign, startWebWorker } from '../platform/webWorker.js';
export { connectWorker, progress } from '../platform/worker.js';
export { createLab } from './lazy.js';
