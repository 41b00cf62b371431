import { clockWords, hyperWords, paceWords } from '../core/clock.js';
import { scheduleFactor } from '../core/schedule.js';

/** float64 reference for one replica: learning rate and Adam corrections of the step at hand, then the counters move on. */
export function tick(batch: number, clock: Uint32Array, hyper: Float64Array, pace: Float64Array): void {
  const step = clock[clockWords.step];
  clock[clockWords.step] = step + 1;
  const low = clock[clockWords.sampleLow] + batch;
  clock[clockWords.sampleLow] = low; // wraps modulo 2^32
  if (low >= 2 ** 32) clock[clockWords.sampleHigh] += 1;
  const h = (word: keyof typeof hyperWords) => hyper[hyperWords[word]];
  pace[paceWords.correction1] = -Math.expm1(-(step + 1) * h('decay1'));
  pace[paceWords.correction2] = -Math.expm1(-(step + 1) * h('decay2'));
  pace[paceWords.rate] = h('rate') * scheduleFactor(step, h('schedule'), h('warmup'), h('steps'), h('floor'));
}
