import { RhmGrammar } from './grammar.js';
import { RhmLearningCurve } from './learningCurve.js';

/** Makes the elements known to the page. script: what their workers run. */
export function defineElements(script: URL): void {
  RhmLearningCurve.script = script;
  define('rhm-grammar', RhmGrammar);
  define('rhm-learning-curve', RhmLearningCurve);
}

/** A page may load the script twice, under two addresses. */
function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
