/** Whether the files of a run have changed since they were written. */
import { canonicalJson, contentHash } from '../core/canonical.js';
import { RhmError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { parseJson } from '../core/outside.js';
import { parseRules } from '../core/parseRules.js';
import { type InspectedRecords, inspectRecords, type RunRecord } from '../core/records.js';
import { safetensorsMetadata } from '../core/safetensors.js';
import { verifyCheckpoint } from './checkpoint.js';
import { files } from './folder.js';
import { evaluationSteps, rulesOf } from './members.js';

/** The files of a run, as far as they exist. */
export interface RunContents {
  readonly name: string; // name of the folder, for messages
  /** The run's hash, if it is the folder's name. */
  readonly hash?: string;
  readonly experiment?: string;
  readonly rules?: string;
  readonly records?: string;
  /** The whole file, or only its header with the size of the file. */
  readonly checkpoint?: Uint8Array | { header: Uint8Array; fileBytes: number };
}

export interface RunCheck {
  /** File, fault and remedy. */
  faults: string[];
  /** Files of earlier versions, which contain no checks. */
  unchecked: string[];
}

/** Checks everything except the lock. Faults are reported, never thrown. */
export async function checkRun(run: RunContents): Promise<RunCheck> {
  const faults: string[] = [];
  const unchecked: string[] = [];
  const at = (file: string) => `${run.name}/${file}`;
  const parsed = inspectRecords(run.records ?? '');
  const { experiment, fault, hash } = await checkExperiment(run, parsed);
  if (fault) faults.push(fault);
  if (experiment && run.rules !== undefined && !sameRules(run.rules, experiment))
    faults.push(`${at(files.rules)}: not the rules of the experiment; restore it, or remove it: they are drawn again`);
  let metadata: Record<string, string> | undefined;
  try {
    const { checkpoint } = run;
    if (checkpoint instanceof Uint8Array) {
      const verified = await verifyCheckpoint(checkpoint, at(files.checkpoint));
      metadata = verified.metadata;
      if (!verified.checked) unchecked.push(files.checkpoint);
    } else if (checkpoint)
      metadata = safetensorsMetadata(checkpoint.header, at(files.checkpoint), checkpoint.fileBytes);
  } catch (error) {
    if (!(error instanceof RhmError)) throw error;
    faults.push(`${error.message}; restore a copy of it, or remove it to train again from the start`);
  }
  const start = hashOf(parsed.records);
  const own = run.hash ?? start ?? hash;
  if (metadata && own && metadata.hash !== own)
    faults.push(`${at(files.checkpoint)}: of experiment ${metadata.hash}, the run is ${own}; remove it`);
  if (run.hash && start && start !== run.hash)
    faults.push(`${at(files.records)}: of experiment ${start}, the folder is of ${run.hash}; restore a copy of it`);
  if (experiment) {
    const kept = metadata && { step: Number(metadata.step), records: countOf(metadata.records) };
    const lost = lostRecords(parsed, experiment, kept);
    const problem = problemOf(parsed);
    if (lost) faults.push(`${at(files.records)}: ${lost}; ${recordsRemedy}`);
    else if (problem)
      faults.push(`${at(files.records)}: ${problem}; restore a copy of it, or continue the run: it is made again`);
  }
  const before = parsed.records.some((record) => record.type === 'start' && record.unchecked);
  if (parsed.unchecked || before) unchecked.push(files.records);
  return { faults, unchecked };
}

export const recordsRemedy = `restore a copy of it, or remove ${files.checkpoint} to train again from the start`;

/**
 * What is missing from the records that a checkpoint relies on, counting evaluations before the first bad line; undefined:
 * nothing. checkpoint.records: how many evaluations and measures there were; unknown in earlier versions.
 */
export function lostRecords(
  parsed: InspectedRecords,
  experiment: Experiment,
  checkpoint: { step: number; records?: number } | undefined,
): string | undefined {
  const step = checkpoint?.step ?? Number.POSITIVE_INFINITY;
  const records = parsed.records.slice(0, parsed.intact);
  const why = problemOf(parsed);
  const found = countEvaluations(records, step);
  if (checkpoint?.records !== undefined && parsed.unchecked) return 'no check in it; it was changed';
  if (checkpoint?.records !== undefined && found < checkpoint.records)
    return (
      why ??
      `${found} evaluations and measures up to step ${step}, ${checkpoint.records} were written; it was shortened`
    );
  if (!checkpoint && parsed.unchecked) return undefined; // made by another program, which may evaluate at other steps
  const seen = new Map<number, Set<number>>();
  for (const record of records)
    if (record.type === 'eval' && record.step <= step)
      seen.set(record.replica, (seen.get(record.replica) ?? new Set()).add(record.step));
  for (let replica = 0; replica < experiment.replicas; replica++) {
    const steps = seen.get(replica) ?? new Set();
    const last = Math.max(0, ...steps);
    const begun = experiment.from?.step ?? 0; // a run that continues another one has no evaluations before that step
    const missing =
      last &&
      evaluationSteps(last, experiment.evaluation.perDoubling).find((wanted) => wanted > begun && !steps.has(wanted));
    if (missing) return why ?? `no evaluation of replica ${replica} at step ${missing}; lines are missing`;
  }
  return undefined;
}

/** Evaluations and measures up to a step. */
export function countEvaluations(records: readonly RunRecord[], step: number): number {
  return records.filter((r) => (r.type === 'eval' || r.type === 'measure') && r.step <= step).length;
}

/** The first bad line. */
function problemOf({ problems }: InspectedRecords): string | undefined {
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more lines)` : '';
  return problems.length ? `line ${problems[0].line}: ${problems[0].message}${more}` : undefined;
}

function countOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

async function checkExperiment(
  { name, hash, experiment: text }: RunContents,
  { records }: InspectedRecords,
): Promise<{ experiment?: Experiment; hash?: string; fault?: string }> {
  const fault = (what: string) => ({
    fault: `${name}/${files.experiment}: ${what}; restore it, or remove it and train the experiment again with --resume`,
  });
  if (text === undefined) return records.length ? fault('it is not there') : {};
  let experiment: Experiment;
  let found: string;
  try {
    const value = parseJson(text);
    found = await contentHash(value);
    experiment = parseExperiment(value);
  } catch (error) {
    return fault(`${(error as Error).message}; the file is damaged`);
  }
  const wanted = hash ?? hashOf(records);
  if (wanted && found !== wanted)
    return fault(`contains experiment ${found}, the run is ${wanted}: the file was changed`);
  return { experiment, hash: found };
}

/** The experiment that the records name. */
export function hashOf(records: readonly RunRecord[]): string | undefined {
  const hash = records.find((record) => record.type === 'start')?.hash;
  return hash !== undefined && /^[0-9a-f]{16}$/.test(hash) ? hash : undefined;
}

function sameRules(text: string, experiment: Experiment): boolean {
  try {
    const canonical = (rules: unknown) => canonicalJson(JSON.parse(JSON.stringify(rules)));
    return (
      canonical(parseRules(JSON.parse(text))) === canonical(parseRules(JSON.parse(JSON.stringify(rulesOf(experiment)))))
    );
  } catch {
    return false;
  }
}
