import { reportCrashes } from '../platform/webCrash.js';
import { webWorkerSide } from '../platform/webWorker.js';
import { serveWorker } from '../platform/worker.js';
import { createPageWorker } from './pageWorker.js';

/** Offers the page worker's functions in this worker. */
export function servePageWorker(): void {
  const { api, close } = createPageWorker();
  const { crashed } = serveWorker(webWorkerSide(), api, close);
  reportCrashes(crashed);
}
