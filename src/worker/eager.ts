/** An entry of the build only: the code that a page needs at once gets separate chunks, and bundlers load the rest on demand. */
export { browserPlatform } from '../platform/browser.js';
export { isForeign, startWebWorker } from '../platform/webWorker.js';
export { connectWorker, progress } from '../platform/worker.js';
export { createLab } from './lazy.js';
