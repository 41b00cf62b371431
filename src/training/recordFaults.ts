/** Compares records with their experiment: finds what a run of it cannot have written. */
import { isDiverged } from '../core/divergence.js';
import type { Experiment } from '../core/experiment.js';
import type { EndReason, EvalRecord, ParsedRecords } from '../core/records.js';
import { evaluationSteps, plannedSteps } from './members.js';

/** How one replica ended, according to its records. */
export interface ReplicaRecords {
  evals: EvalRecord[]; // by step, with the last record for each
  end: EndReason | undefined; // done or diverged
}

/** By replica, including replicas without a record. */
export function byReplica(experiment: Experiment, { records }: ParsedRecords): ReplicaRecords[] {
  return Array.from({ length: experiment.replicas }, (_, replica) => {
    const evals = new Map<number, EvalRecord>();
    let end: EndReason | undefined;
    for (const record of records) {
      if (!('replica' in record) || record.replica !== replica) continue;
      if (record.type === 'eval') evals.set(record.step, record);
      else if (record.type === 'end') end = record.reason;
    }
    return { evals: [...evals.values()].sort((a, b) => a.step - b.step), end };
  });
}

/**
 * The faults in the records of a run with the hash `hash`; none: []. Every planned evaluation up to the last one must be present,
 * every number must be possible for its steps and batches, and ends must fit the last losses.
 */
export function recordFaults(experiment: Experiment, hash: string, parsed: ParsedRecords): string[] {
  const faults = parsed.problems.map(({ line, message }) => `line ${line}: ${message}`);
  const steps = plannedSteps(experiment);
  const perStep = experiment.budget.batch * experiment.budget.accumulate;
  for (const record of parsed.records) {
    if (record.type === 'start' && record.hash !== hash) faults.push(`is of experiment ${record.hash}, not of ${hash}`);
    if ('replica' in record && record.replica !== undefined && record.replica >= experiment.replicas)
      faults.push(`replica ${record.replica} of a run with ${experiment.replicas}`);
    if (record.type === 'eval' || record.type === 'measure' || record.type === 'test') {
      if (record.step > steps) faults.push(`step ${record.step} of a run with ${steps}`);
      if (record.samples !== record.step * perStep)
        faults.push(`${record.samples} sentences after ${record.step} steps of ${perStep}`);
    }
  }
  if (parsed.records.length && !parsed.records.some((r) => r.type === 'start')) faults.push('does not name its run');
  for (const [replica, { evals, end }] of byReplica(experiment, parsed).entries()) {
    const seen = new Set(evals.map(({ step }) => step));
    const last = evals.at(-1);
    const missing = evaluationSteps(steps, experiment.evaluation.perDoubling).find(
      (step) => step <= (last?.step ?? 0) && !seen.has(step),
    );
    if (missing !== undefined) faults.push(`replica ${replica} has no evaluation at step ${missing}`);
    if (end === undefined) continue;
    if (!last) faults.push(`replica ${replica} has ended without an evaluation`);
    else if (end === 'done' ? !Number.isFinite(last.loss) : !isDiverged(last.loss))
      faults.push(`replica ${replica} is recorded as ${end} at a loss of ${last.loss}`);
  }
  return [...new Set(faults)];
}
