/** The story as a function of time: which of its steps is shown, and the number P of training sentences at that time. */

import type { RecordedNetwork, Recording } from '../../analysis/recording.js';
import { crossing, stepThreshold } from '../../analysis/staircase.js';

export interface StoryStep {
  ell: number; // level of the context that is highlighted: 0 is the last token alone
  cloud: number; // index of the cloud that is shown
  from: number; // P
  to: number;
  seconds: number;
  asks?: boolean; // it ends with a question
}

export interface Moment {
  step: number; // from 0
  P: number;
  asking: boolean;
}

/** P_ell of one network: where its loss is half way down step ell, in the logarithm of the loss above H(L); undefined: not within the recording. */
export function measuredSteps({ sentences, loss }: RecordedNetwork, H: readonly number[]): (number | undefined)[] {
  const points = sentences.map((samples, i) => ({ samples, loss: loss[i], accuracy: Number.NaN }));
  return H.slice(1).map((_, i) => {
    const found = crossing(points, stepThreshold(H, i + 1));
    return found?.bound === 'none' ? Math.exp(found.logSamples) : undefined;
  });
}

const SECONDS = [10, 13, 16, 22, 16];
const ASKING = 7; // seconds
const READING = 0.4; // fraction of a step before P moves
const MOVING = 0.5;

export class Timeline {
  readonly steps: readonly StoryStep[];
  readonly seconds: number;
  readonly lowest: number; // P
  readonly highest: number;

  constructor({ sentences, networks, H }: Recording) {
    const measured = networks.map((network) => measuredSteps(network, H));
    const largest = sentences[sentences.length - 1];
    // Shortly after the last of the networks has taken the step.
    const allPast = (ell: number) =>
      sentences.find((P) => measured.every((steps) => (steps[ell - 1] ?? Infinity) * 1.2 <= P)) ?? largest;
    const ends = [sentences[0], allPast(1), allPast(2), allPast(3), largest];
    this.steps = ends.map((to, i) => ({
      ell: Math.min(i, H.length - 1),
      cloud: i < 3 ? 0 : Math.min(1, networks[0].clouds.length - 1),
      from: i ? ends[i - 1] : sentences[0],
      to,
      seconds: SECONDS[i] + (i === 2 ? ASKING : 0),
      asks: i === 2,
    }));
    this.seconds = this.steps.reduce((sum, { seconds }) => sum + seconds, 0);
    this.lowest = sentences[0];
    this.highest = largest;
  }

  startOf(step: number): number {
    return this.steps.slice(0, step).reduce((sum, { seconds }) => sum + seconds, 0);
  }

  at(seconds: number): Moment {
    let step = 0;
    let left = Math.min(Math.max(0, seconds), this.seconds);
    while (step < this.steps.length - 1 && left >= this.steps[step].seconds) left -= this.steps[step++].seconds;
    const { from, to, seconds: all, asks } = this.steps[step];
    const telling = all - (asks ? ASKING : 0);
    const part = Math.min(1, Math.max(0, (left / telling - READING) / MOVING));
    return { step, P: from * (to / from) ** part, asking: Boolean(asks) && left >= telling };
  }

  /** The first time at which all networks have had P sentences; for the first P, the end of the first step. */
  timeOf(P: number): number {
    const step = Math.max(
      0,
      this.steps.findIndex(({ to }) => P <= to * (1 + 1e-9)),
    );
    const { from, to, seconds, asks } = this.steps[step];
    if (to === from) return this.startOf(step);
    const part = Math.log(P / from) / Math.log(to / from);
    return this.startOf(step) + (seconds - (asks ? ASKING : 0)) * (READING + MOVING * Math.max(0, part));
  }
}

/** The run with the nearest P, as a ratio. */
export function nearestRun({ sentences }: RecordedNetwork, P: number): number {
  let best = 0;
  for (const [k, own] of sentences.entries())
    if (Math.abs(Math.log(own / P)) < Math.abs(Math.log(sentences[best] / P))) best = k;
  return best;
}

/** Loss at P, interpolated between two recorded P along the line in the figure: both axes are logarithmic. */
export function lossAt({ sentences, loss }: RecordedNetwork, P: number): number {
  const next = sentences.findIndex((own) => own >= P);
  if (next === 0) return loss[0];
  if (next < 0) return loss[loss.length - 1];
  const part = Math.log(P / sentences[next - 1]) / Math.log(sentences[next] / sentences[next - 1]);
  return loss[next - 1] * (loss[next] / loss[next - 1]) ** part;
}
