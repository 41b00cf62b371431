/** The page's worker: the script of a module worker. */
import { serveDesk } from './serveDesk.js';

serveDesk();
