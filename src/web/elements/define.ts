import type { WorkerPort } from '../../platform/worker.js';
import { RhmGrammar } from './grammar.js';
import { RhmLearningCurve } from './learningCurve.js';

/** Registers the elements with the page; does nothing on a server. startWorker: starts one of their workers. */
export function defineElements(startWorker: () => WorkerPort): void {
  if (typeof customElements === 'undefined') return;
  RhmLearningCurve.startWorker = startWorker;
  define('rhm-grammar', RhmGrammar);
  define('rhm-learning-curve', RhmLearningCurve);
}

/** A page may load the script twice, under two addresses. */
function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
