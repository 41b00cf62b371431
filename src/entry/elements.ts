/**
 * `rhm-lab/elements`: the custom elements, for programs that are bundled. Importing it defines them; on a server it does nothing. A page
 * without a bundler uses dist/page/elements.js instead, which is one script.
 */
import { isForeign, startWebWorker } from '../platform/webWorker.js';
import { defineElements } from '../web/elements/define.js';

export type * from '../web/elements/events.js';
export { RhmGrammar } from '../web/elements/grammar.js';
export { RhmLearningCurve } from '../web/elements/learningCurve.js';

/** *Vite, webpack and Next find the worker's script by the exact text of the last line, and bundle it. */
defineElements(() => {
  const here = import.meta.url;
  if (isForeign(new URL(here))) return startWebWorker(new URL('./worker.page.js', here));
  return startWebWorker(new Worker(new URL('./worker.page.js', import.meta.url), { type: 'module' }));
});
