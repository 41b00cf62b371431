/** `rhm-lab/worker` in a browser: the script of a module worker. Start it with startWorker(). */
import { browserPlatform } from '../platform/browser.js';
import { reportCrashes } from '../platform/webCrash.js';
import { webWorkerSide } from '../platform/webWorker.js';
import { serveWorker } from '../platform/worker.js';
import { labOf } from './lab.js';
import * as parts from './parts.js';

const { lab, close } = labOf(browserPlatform, async () => parts);
reportCrashes(serveWorker(webWorkerSide(), lab, close).crashed);
