/** `elements.js`: custom elements in one module script. Started as a worker, the same script serves as their worker. */
import { startWebWorker } from '../platform/webWorker.js';
import { defineElements } from './elements/define.js';
import { servePageWorker } from './servePageWorker.js';

if (typeof document !== 'undefined') defineElements(() => startWebWorker(new URL(import.meta.url)));
else if ('importScripts' in globalThis) servePageWorker(); // neither exists on a server
