/** `elements.js`: custom elements in one module script. Started as a worker, the same script is their worker. */
import { servePageWorker } from './servePageWorker.js';

// Not a static import: in a worker there is no HTMLElement to extend.
if (typeof document === 'undefined') servePageWorker();
else (await import('./elements/define.js')).defineElements(new URL(import.meta.url));
