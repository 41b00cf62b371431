/** One run in a few numbers: its last loss relative to the plateaus of its grammar, the steps of the loss taken, and at which P. */

import { InputError } from '../core/errors.js';
import { parseExperiment } from '../core/experiment.js';
import { parseJson } from '../core/outside.js';
import { countDerivations } from '../grammar/derivations.js';
import { plannedSteps, rulesOf } from '../training/members.js';
import type { CurvePoint } from './curves.js';
import { exactFloors } from './curves.js';
import { showNumber } from './format.js';
import type { Run } from './runs.js';
import { crossing, LITTLE_NOISE, stepThreshold } from './staircase.js';

/** The point at which a step of the loss is taken. */
export interface Reached {
  ell: number;
  /** P_ell: training sentences seen, repeats included, when the loss passes `stepThreshold` of step ell; null if it has not. */
  samples: number | null;
  /** The same in optimiser steps. */
  steps: number | null;
  /** The loss is already below the middle at the first evaluation: P_ell is at most this. */
  bound?: 'upper';
}

export interface Overview {
  step: number; // of the last evaluation
  steps: number; // planned
  samples: number; // training sentences seen at the last evaluation
  /** Test loss (validation loss if there is a validation set) of the last evaluation, nats, mean over replicas; null: not finite. */
  lastLoss: number | null;
  bestLoss: number | null; // the lowest of them
  accuracy: number | null;
  /** H(0) .. H(reach) in nats; absent if the task has no staircase. */
  plateaus?: number[];
  /** The number of steps of the staircase whose middle the last loss has passed. */
  level?: number;
  P?: Reached[]; // of the mean over replicas
  curve: CurvePoint[]; // mean over replicas, by samples
}

/** The mean over the replicas of a run, at points where all of them have been evaluated. */
export function overviewOf(run: Run): Overview {
  const { experiment, rules } = run;
  const steps = plannedSteps(experiment);
  const curve = meanPoints(run);
  const last = curve.at(-1);
  const finite = curve.filter(({ loss }) => Number.isFinite(loss));
  const perStep = experiment.budget.batch * experiment.budget.accumulate;
  const plateaus = exactFloors(experiment, rules);
  return {
    step: last ? Math.round(last.samples / perStep) : 0,
    steps,
    samples: last?.samples ?? 0,
    lastLoss: last && Number.isFinite(last.loss) ? last.loss : null,
    bestLoss: finite.length ? Math.min(...finite.map(({ loss }) => loss)) : null,
    accuracy: last && Number.isFinite(last.accuracy) ? last.accuracy : null,
    ...(plateaus && { plateaus, level: levelOf(plateaus, last?.loss), P: reachedOf(plateaus, curve, perStep) }),
    curve,
  };
}

/**
 * H(0) .. H(reach) in nats of an experiment.json. Empty: its task has no staircase, it is trained on data of its own, or this process
 * does not know its model.
 */
export function storedPlateaus(text: string): readonly number[] {
  try {
    const experiment = parseExperiment(parseJson(text));
    return (!experiment.data && exactFloors(experiment, rulesOf(experiment))) || [];
  } catch (error) {
    if (error instanceof InputError) return [];
    throw error;
  }
}

/** The plateau closest to a loss, in nats; of equally close ones the last. */
export function nearestPlateau(plateaus: readonly number[], loss: number): number {
  const distances = plateaus.map((h) => Math.abs(loss - h));
  return distances.lastIndexOf(Math.min(...distances));
}

/** The number of steps of the staircase whose middle is above a loss. */
function levelOf(plateaus: readonly number[], loss: number | undefined): number {
  let level = 0;
  while (level + 1 < plateaus.length && loss !== undefined && loss <= stepThreshold(plateaus, level + 1)) level++;
  return level;
}

/** The P at which a curve, sorted by samples, passes the middle of each step. perStep: sentences per optimiser step. */
export function reachedOf(plateaus: readonly number[], curve: readonly CurvePoint[], perStep: number): Reached[] {
  return plateaus.slice(1).map((_, i): Reached => {
    const ell = i + 1;
    const found = crossing(curve, stepThreshold(plateaus, ell));
    if (!found || found.bound === 'lower') return { ell, samples: null, steps: null };
    const samples = Math.exp(found.logSamples);
    const rounded = { samples: Math.round(samples), steps: Math.max(1, Math.round(samples / perStep)) };
    return { ell, ...rounded, ...(found.bound === 'upper' && { bound: found.bound }) };
  });
}

/** A note on a run of one pass that took steps of the loss only after more sentences than its language has; else undefined. */
export function beyondLanguage({ experiment, rules }: Run, { P = [] }: Overview): string | undefined {
  if (experiment.budget.sentences !== undefined) return undefined; // repeats are meant there
  const language = Number(countDerivations(rules));
  const beyond = P.filter(({ samples, bound }) => samples !== null && !bound && samples > language);
  if (!beyond.length) return undefined;
  const taken = beyond.map(({ ell, samples }) => `P_${ell} = ${showNumber(samples!)}`).join(', ');
  return `${taken}: more sentences than the language has, ${showNumber(language)}; ${LITTLE_NOISE}`;
}

function meanPoints({ replicas }: Run): CurvePoint[] {
  const all = replicas.filter(({ evals }) => evals.length);
  if (!all.length) return [];
  const rest = all.slice(1).map(({ evals }) => new Map(evals.map((e) => [e.samples, e])));
  return all[0].evals.flatMap(({ samples, loss, accuracy }) => {
    const found = rest.map((evals) => evals.get(samples));
    if (found.includes(undefined)) return [];
    const mean = (first: number, field: 'loss' | 'accuracy') =>
      found.reduce((sum, e) => sum + e![field], first) / (found.length + 1);
    return [{ samples, loss: mean(loss, 'loss'), accuracy: mean(accuracy, 'accuracy') }];
  });
}
