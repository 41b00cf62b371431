/** `rhm-lab/worker` in a browser: the script of a module worker. Start it with startWorker(). */
import { browserPlatform } from '../platform/browser.js';
import { reportCrashes } from '../platform/webCrash.js';
import { webWorkerSide } from '../platform/webWorker.js';
import { serveWorker } from '../platform/worker.js';
import { createLab } from './lab.js';

const { lab, close } = createLab(browserPlatform);
reportCrashes(serveWorker(webWorkerSide(), lab, close).crashed);
