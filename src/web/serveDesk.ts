import { reportCrashes } from '../platform/webCrash.js';
import { webWorkerSide } from '../platform/webWorker.js';
import { serveWorker } from '../platform/worker.js';
import { createDesk } from './desk.js';

/** Makes this worker a desk. */
export function serveDesk(): void {
  const { desk, close } = createDesk();
  const { crashed } = serveWorker(webWorkerSide(), desk, close);
  reportCrashes(crashed);
}
