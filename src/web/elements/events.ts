/** Events of the elements that pages can listen to, and their names in the page's types. */
import type { RunRecord } from '../../core/records.js';
import type { ChangeDetail } from '../figures/grammar.js';
import type { NetworkRunState } from '../networkRun.js';
import type { RhmGrammar } from './grammar.js';
import type { RhmLearningCurve } from './learningCurve.js';

export type { ChangeDetail, NetworkRunState, RunRecord };

export interface SentenceDetail {
  index: number; // index of the sentence
  tokens: readonly number[]; // [s^L]
}

export interface HideDetail {
  hidden: readonly number[]; // positions of all tokens hidden now
}

export interface RecordDetail {
  network: number; // index of the element's network, from 0
  record: RunRecord;
}

export interface StateDetail {
  network: number;
  state: NetworkRunState;
}

export interface ErrorDetail {
  message: string;
}

/** Events by name, with their details. They bubble, also out of the shadow root. */
export interface ElementEvents {
  'rhm-change': ChangeDetail;
  'rhm-sentence': SentenceDetail;
  'rhm-hide': HideDetail;
  'rhm-record': RecordDetail;
  'rhm-state': StateDetail;
  'rhm-error': ErrorDetail;
}
type CustomEvents = { [Name in keyof ElementEvents]: CustomEvent<ElementEvents[Name]> };

declare global {
  interface HTMLElementTagNameMap {
    'rhm-grammar': RhmGrammar;
    'rhm-learning-curve': RhmLearningCurve;
  }
  interface HTMLElementEventMap extends CustomEvents {}
}
