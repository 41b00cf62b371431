/** `rhm-lab/worker` in Deno: the script of a module worker. Start it with startWorker(). */
import { denoPlatform } from '../platform/deno.js';
import { reportCrashes } from '../platform/webCrash.js';
import { webWorkerSide } from '../platform/webWorker.js';
import { serveWorker } from '../platform/worker.js';
import { createLab } from './lab.js';

const { lab, close } = createLab(denoPlatform);
reportCrashes(serveWorker(webWorkerSide(), lab, close).crashed);
