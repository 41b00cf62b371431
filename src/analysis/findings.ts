import { modelFacts } from '../core/modelFacts.js';
import { lawNames } from './collapse.js';
import type { ModelKind } from './curves.js';
import { powerOfLaw, predictedPower } from './exponents.js';
import { isTooWide } from './format.js';
import type { FindingRow, Verdict } from './results.js';
import type { Estimate } from './statistics.js';

export function compare(predicted: number | undefined, { low, high, value, bound }: Estimate): Verdict {
  if (predicted === undefined || Number.isNaN(value)) return '-';
  if (bound === 'unknown') return 'open';
  if (bound === 'lower') return predicted < (Number.isNaN(low) ? value : low) ? 'disagrees' : 'open';
  if (bound === 'upper') return predicted > (Number.isNaN(high) ? value : high) ? 'disagrees' : 'open';
  if (Number.isNaN(low)) return 'no interval';
  return predicted >= low && predicted <= high ? 'agrees' : 'disagrees';
}

/** Adds verdict and comment from the numbers if the figure gives none. */
export function judged(row: FindingRow): Required<FindingRow> {
  const { quantity, predicted, measured, verdict = compare(predicted, measured), comment } = row;
  if (verdict === 'agrees' && quantity.startsWith('power of') && isTooWide(measured))
    return { ...row, verdict: 'open', comment: comment || 'the interval is too wide to tell' };
  return { ...row, verdict, comment: comment || direction(predicted, measured) };
}

/** For a value of one pass that also exists in data: it is shown but not judged. */
export const COUNTS_STEPS: Pick<FindingRow, 'comment' | 'verdict'> = {
  comment: 'the number of steps limits one pass too: not a test of a law about data; see the value in data',
  verdict: '-',
};

/** Whether the law of the other family is also excluded: an interval that contains both says little. */
export function otherLaw(kind: ModelKind, ell: number, estimate: Estimate): string {
  const family = modelFacts(kind).family;
  if (!family) return 'no law is known';
  const other = family === 'cnn' ? 'transformer' : 'cnn';
  const power = powerOfLaw(other, ell);
  if (power === predictedPower(kind, ell)) return "the CNN's and the transformer's law are the same here";
  const verdict = compare(power, estimate);
  const word = verdict === 'disagrees' ? 'excluded' : verdict === 'no interval' ? 'not tested' : 'not excluded';
  return `the ${lawNames[other]} law (${power}) is ${word}`;
}

function direction(predicted: number | undefined, estimate: Estimate): string {
  if (compare(predicted, estimate) !== 'disagrees') return '';
  return estimate.value > predicted! ? 'larger than predicted' : 'smaller than predicted';
}
