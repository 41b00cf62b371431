/** `rhm-lab/worker` in Node: the script of a worker thread. Start it with startWorker(). */
import { nodePlatform } from '../platform/node.js';
import { nodeWorkerSide } from '../platform/nodeWorker.js';
import { serveWorker } from '../platform/worker.js';
import { labOf } from './lab.js';
import * as parts from './parts.js';

const { lab, close } = labOf(nodePlatform, async () => parts);
const { crashed } = serveWorker(nodeWorkerSide(), lab, close);
// Node would end the thread at once, with GPU work pending: wait for it first.
for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (error) => void crashed(error).then(() => process.exit(1)));
