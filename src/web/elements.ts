/** Custom elements in one module script. The same script, started as a worker, is their worker. */
import { serveDesk } from './serveDesk.js';

if (typeof document === 'undefined') serveDesk();
