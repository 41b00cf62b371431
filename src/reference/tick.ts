import { clockWords, hyperWords, paceWords, scalingWords, UNIT_EXPONENT } from '../core/clock.js';
import { scheduleFactor } from '../core/schedule.js';

/** float64 reference for one replica: learning rate and Adam corrections of the current step, then the counters advance. */
export function tick(
  batch: number,
  clock: Uint32Array,
  hyper: Float64Array,
  pace: Float64Array,
  scaling?: Uint32Array,
): void {
  const step = clock[clockWords.step];
  clock[clockWords.step] = step + 1;
  const low = clock[clockWords.sampleLow] + batch;
  clock[clockWords.sampleLow] = low; // wraps modulo 2^32
  if (low >= 2 ** 32) clock[clockWords.sampleHigh] += 1;
  const h = (word: keyof typeof hyperWords) => hyper[hyperWords[word]];
  pace[paceWords.correction1] = -Math.expm1(-(step + 1) * h('decay1'));
  pace[paceWords.correction2] = -Math.expm1(-(step + 1) * h('decay2'));
  pace[paceWords.rate] = h('rate') * scheduleFactor(step, h('schedule'), h('warmup'), h('steps'), h('floor'));
  if (!scaling) return;
  const exponent = scaling[scalingWords.exponent];
  const skips = scaling[scalingWords.overflow] !== 0;
  pace[paceWords.unscale] = skips ? 0 : 2 ** (UNIT_EXPONENT - exponent);
  if (!skips) return;
  scaling[scalingWords.overflow] = 0;
  scaling[scalingWords.exponent] = Math.max(1, exponent - 1);
  scaling[scalingWords.skipped]++;
}
