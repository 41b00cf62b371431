import { isDiverged } from '../core/divergence.js';
import { InputError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { parseJson } from '../core/outside.js';
import { parseRules } from '../core/parseRules.js';
import {
  type EndReason,
  type EndRecord,
  type EvalRecord,
  type MeasureRecord,
  parseRecords,
  type RunRecord,
  type StartRecord,
  type TestRecord,
} from '../core/records.js';
import type { Rules } from '../core/rules.js';
import type { RunContents } from '../training/integrity.js';
import { plannedSteps, rulesOf } from '../training/members.js';

/** The text of the files of a run folder. */
export interface RunFiles {
  path: string; // identifies the run in tables and messages
  hash?: string; // of the experiment, if it is the name of the folder
  checkpoint?: RunContents['checkpoint']; // says how much the records should contain
  experiment: string; // experiment.json
  rules?: string; // rules.json; absent: the rules are drawn again from the experiment's seed
  records?: string; // records.jsonl
}

/** `unfinished`: no end record; the run was killed or still continues. `empty`: no evaluation. */
export type RunStatus = EndReason | 'unfinished' | 'empty';

export interface Run {
  path: string;
  experiment: Experiment;
  rules: Rules;
  start: StartRecord | undefined; // the last one
  status: RunStatus;
  replicas: ReplicaHistory[];
  elapsedMs: number; // training time, the longest of the replicas
  problems: string[];
}

export interface ReplicaHistory {
  replica: number;
  status: RunStatus;
  evals: EvalRecord[]; // by samples, one per step
  measures: MeasureRecord[]; // by samples
  tests: TestRecord[];
  ends: EndRecord[];
}

/** Reads one run. Irregularities in its records are listed in `problems`. @throws InputError for a bad experiment or grammar. */
export function readRun(files: RunFiles): Run {
  const experiment = inFile(files.path, 'experiment.json', () => parseExperiment(parseJson(files.experiment)));
  if (experiment.data)
    throw new InputError(
      `${files.path}: trained on data of its own, for which there are no exact losses to compare it with`,
    );
  const rules = inFile(files.path, 'rules.json', () =>
    files.rules === undefined ? rulesOf(experiment) : parseRules(parseJson(files.rules)),
  );
  const problems: string[] = [];
  const parsed = parseRecords(files.records ?? '');
  for (const { line, message } of parsed.problems.slice(0, 3)) problems.push(`records.jsonl line ${line}: ${message}`);
  if (parsed.problems.length > 3) problems.push(`records.jsonl: ${parsed.problems.length - 3} more bad lines`);
  if (parsed.halfWritten) problems.push('records.jsonl: the last line is incomplete and was left out');

  const histories = new Map<number, { evals: Map<number, EvalRecord>; measures: Map<string, MeasureRecord> }>();
  const tests = new Map<number, TestRecord>();
  const history = (replica: number) => {
    if (!histories.has(replica)) histories.set(replica, { evals: new Map(), measures: new Map() });
    return histories.get(replica)!;
  };
  let start: StartRecord | undefined;
  let end: EndReason | undefined;
  const ends = new Map<number, EndReason>();
  const foreign = new Set<string>();
  for (const record of parsed.records) {
    const odd = outsideOf(experiment, record);
    if (odd) {
      foreign.add(odd);
      continue;
    }
    if (record.type === 'start') {
      if (start?.hash && record.hash && start.hash !== record.hash)
        problems.push(`records.jsonl: continues another experiment (${record.hash} after ${start.hash})`);
      start = record;
      end = undefined; // it was resumed
    } else if (record.type === 'end') {
      if (record.replica === undefined) end = record.reason;
      else ends.set(record.replica, record.reason);
    } else if (record.type === 'test') tests.set(record.replica, record);
    else if (record.type === 'eval') history(record.replica).evals.set(record.step, record);
    else if (record.type === 'measure')
      history(record.replica).measures.set([record.name, record.layer, record.level, record.step].join(), record);
  }
  for (const odd of [...foreign].slice(0, 3)) problems.push(`records.jsonl: ${odd}; such lines were left out`);
  const replicas = [...histories.entries()]
    .sort(([a], [b]) => a - b)
    .map(([replica, { evals, measures }]): ReplicaHistory => {
      const sorted = [...evals.values()].sort((a, b) => a.samples - b.samples);
      const broken = sorted.some((e) => !Number.isFinite(e.loss)) || isDiverged(sorted.at(-1)?.loss ?? 0);
      return {
        replica,
        status: !sorted.length ? 'empty' : broken ? 'diverged' : (ends.get(replica) ?? end ?? 'unfinished'),
        evals: sorted,
        measures: [...measures.values()].sort((a, b) => a.samples - b.samples),
        tests: tests.has(replica) ? [tests.get(replica)!] : [],
        ends: ends.has(replica) ? [{ type: 'end', replica, reason: ends.get(replica)! }] : [],
      };
    });
  const missing = experiment.replicas - replicas.filter((r) => r.evals.length).length;
  if (replicas.length && missing > 0) problems.push(`${missing} of ${experiment.replicas} replicas have no evaluation`);
  return {
    path: files.path,
    experiment,
    rules,
    start,
    status: replicas.some((r) => r.evals.length) ? worst(replicas) : 'empty',
    replicas,
    elapsedMs: Math.max(0, ...replicas.map((r) => r.evals.at(-1)?.elapsed_ms || 0)),
    problems,
  };
}

/** A replica or a step that the experiment does not have, in words; undefined: it has both. */
function outsideOf(experiment: Experiment, record: RunRecord): string | undefined {
  if ('replica' in record && (record.replica ?? 0) >= experiment.replicas)
    return `replica ${record.replica} of a run with ${experiment.replicas}`;
  const steps = plannedSteps(experiment);
  if ((record.type === 'eval' || record.type === 'measure') && record.step > steps)
    return `step ${record.step} of a run with ${steps}`;
  return undefined;
}

const severity: RunStatus[] = ['done', 'stopped', 'interrupted', 'unfinished', 'empty', 'failed', 'diverged'];

function worst(replicas: ReplicaHistory[]): RunStatus {
  return severity[Math.max(...replicas.map((r) => severity.indexOf(r.status)))] ?? 'unfinished';
}

function inFile<T>(path: string, file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${path}/${file}: ${error.message}`);
    throw error;
  }
}
