/** The page's worker: the script of a module worker. */
import { servePageWorker } from './servePageWorker.js';

servePageWorker();
