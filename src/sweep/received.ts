/** Jobs, progress and runs sent by others: each is checked as a whole before any part of it is used. */
import { contentHash } from '../core/canonical.js';
import { InputError, VersionError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { experimentSchema } from '../core/experimentSchema.js';
import {
  checkHash,
  checkTree,
  decodeText,
  files,
  parseJson,
  printableLine,
  type RunFileName,
} from '../core/outside.js';
import { inspectRecords } from '../core/records.js';
import { parents, type Rules } from '../core/rules.js';
import { measures } from '../measures/index.js';
import { type Checkpoint, decodeCheckpoint } from '../training/checkpoint.js';
import { checkRun } from '../training/integrity.js';
import { evaluationSteps, membersOf, plannedSteps, rulesOf } from '../training/members.js';
import { type TrainingProgram, trainingProgram } from '../training/program.js';
import { byReplica, type ReplicaRecords, recordFaults } from '../training/recordFaults.js';
import { parameterRows, stepOf } from '../training/replicaState.js';
import type { ChunkProgress } from './chunk.js';
import { type Ended, endOf } from './store.js';

/** Version of the messages in a queue; a message with a higher number is left to a newer program. */
export const PROTOCOL = 2;

/** 2: the run trains on rows of tokens, which the worker gets from the server. Older programs can do all other runs. */
export const protocolOf = ({ data }: Experiment): number => (data ? 2 : 1);

/** The contents of a job: everything a worker needs. */
export interface RunMessage {
  readonly protocol: number; // absent in earlier messages: 1
  readonly store: string; // id of the store to which its result belongs
  readonly hash: string;
  readonly name: string; // for people
  readonly experiment: Experiment;
}

const LONGEST_NAME = 1000; // characters of a run's name that are kept

/**
 * Checks a job's data. @throws VersionError if it was made by another version of the program, which may be able to do it;
 * InputError if it can never become a run.
 */
export async function readMessage(value: unknown): Promise<RunMessage> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError('job: not an object with store, hash, name and experiment');
  const { protocol = 1, store, hash, name, experiment } = value as Record<string, unknown>;
  if (!Number.isSafeInteger(protocol) || (protocol as number) < 1) throw new InputError('job: no protocol version');
  if ((protocol as number) > PROTOCOL)
    throw new VersionError(
      `job: protocol ${protocol}, this program speaks ${PROTOCOL}; update rhm-lab on this machine`,
    );
  checkHash(hash, 'job: hash');
  if (typeof store !== 'string' || !/^[\w-]{1,100}$/.test(store))
    throw new InputError('job: store: not the id of a store');
  if (typeof name !== 'string') throw new InputError('job: name: no text');
  return {
    protocol: protocol as number,
    store,
    hash: hash as string,
    name: printableLine(name, LONGEST_NAME),
    experiment: await experimentOf(experiment, hash as string, 'job: experiment'),
  };
}

/** The experiment of that name. @throws InputError; VersionError if fields of a newer program are part of the name */
async function experimentOf(value: unknown, hash: string, where: string): Promise<Experiment> {
  checkTree(value, where, { nodes: Number.POSITIVE_INFINITY });
  let experiment: Experiment;
  try {
    experiment = parseExperiment(value);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const text = `${where}: ${printableLine(error.message, 500)}`;
    if (hasUnknownPart(value) && (await contentHash(value)) === hash)
      throw new VersionError(`${text}; a newer version made it, update rhm-lab on this machine`);
    throw new InputError(text);
  }
  const own = await contentHash(experiment);
  if (own !== hash) throw new InputError(`${where}: is that of run ${own}, not of ${hash}`);
  return experiment;
}

/** Whether it contains fields or choices unknown to this version. */
function hasUnknownPart(value: unknown): boolean {
  const { error } = experimentSchema().safeParse(value);
  return (
    error?.issues.some(({ code }) => ['unrecognized_keys', 'invalid_union', 'invalid_value'].includes(code)) === true
  );
}

/** A worker's progress message; undefined if it is malformed. */
export function readProgress(value: unknown): Omit<ChunkProgress, 'hash'> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { step, steps, loss, samplesPerSecond } = value as Record<string, unknown>;
  if (typeof step !== 'number' || typeof steps !== 'number' || !(step >= 0 && step <= steps && steps <= 2 ** 31))
    return undefined;
  const number = (x: unknown, otherwise: number) => (typeof x === 'number' ? x : otherwise);
  return { step, steps, loss: number(loss, Number.NaN), samplesPerSecond: number(samplesPerSecond, 0) };
}

/** Returns a file of a run that was sent; undefined: it is missing. @throws InputError if it is larger than `most` bytes. */
export type ReadSent = (file: RunFileName, most: number) => Promise<Uint8Array | undefined>;
export type RunFileData = ReadonlyMap<RunFileName, Uint8Array>;

const MOST_EXPERIMENT_BYTES = 2 ** 26;

export interface ReceivedRun {
  experiment: Experiment;
  ended: Ended;
  data: RunFileData;
}

/**
 * A run that has ended, as sent under `hash`: its files are present, of a possible size, belong to that experiment and agree with
 * each other. @throws InputError naming the file and its fault
 */
export async function receiveResult(hash: string, read: ReadSent): Promise<ReceivedRun> {
  const { experiment, data, checkpoint } = await receive(hash, read);
  const parsed = inspectRecords(decodeText(data.get(files.records)!, files.records));
  const fail = (what: string): never => {
    throw new InputError(`${files.records}: ${printableLine(what, 300)}`);
  };
  if (parsed.halfWritten) fail('the last line is incomplete');
  const faults = recordFaults(experiment, hash, parsed);
  if (faults.length) fail(faults.slice(0, 3).join('; '));
  const ended = endOf(parsed, experiment.replicas) ?? fail('not every replica has ended');
  if (!checkpoint) throw new InputError(`${files.checkpoint}: is missing`);
  for (const [replica, of] of byReplica(experiment, parsed).entries())
    sameAsCheckpoint(replica, of, checkpoint.replicas[replica]);
  await checkDigests(hash, data);
  return { experiment, ended, data };
}

/** The files of a run that a worker returned, checked to ensure that it can be continued. @throws InputError */
export async function receivePartial(hash: string, read: ReadSent): Promise<RunFileData> {
  const { data, experiment } = await receive(hash, read);
  const records = data.get(files.records);
  const faults = records ? recordFaults(experiment, hash, inspectRecords(decodeText(records, files.records))) : [];
  if (faults.length) throw new InputError(`${files.records}: ${printableLine(faults[0], 300)}`);
  await checkDigests(hash, data);
  return data;
}

/** @throws InputError if a file has changed since it was written. */
async function checkDigests(hash: string, data: RunFileData): Promise<void> {
  const text = (file: RunFileName) => (data.has(file) ? decodeText(data.get(file)!, file) : undefined);
  const [experiment, rules, records] = [text(files.experiment), text(files.rules), text(files.records)];
  const run = { name: hash, hash, experiment, rules, records, checkpoint: data.get(files.checkpoint) };
  const { faults } = await checkRun(run);
  if (faults.length) throw new InputError(printableLine(faults[0], 500));
}

interface Received {
  experiment: Experiment;
  data: RunFileData;
  checkpoint: Checkpoint | undefined;
}

async function receive(hash: string, read: ReadSent): Promise<Received> {
  checkHash(hash);
  const data = new Map<RunFileName, Uint8Array>();
  const take = async (file: RunFileName, most: number) => {
    const bytes = await read(file, most);
    if (bytes && bytes.length > most) throw new InputError(`${file}: ${bytes.length} bytes, ${most} at most`);
    if (bytes) data.set(file, bytes);
    return bytes;
  };
  const text = await take(files.experiment, MOST_EXPERIMENT_BYTES);
  if (!text) throw new InputError(`${files.experiment}: is missing`);
  const experiment = await experimentOf(parseJson(text, files.experiment), hash, files.experiment);
  const rules = rulesOf(experiment);
  const members = membersOf(experiment, rules);
  const training = trainingProgram(members.slice(0, 1), measures);
  const bounds = mostBytes(experiment, rules, training);
  await take(files.rules, bounds[files.rules]);
  await take(files.records, bounds[files.records]);
  const bytes = await take(files.checkpoint, bounds[files.checkpoint]);
  const checkpoint = bytes && decodeSent(bytes, hash, experiment.replicas, training);
  return { experiment, data, checkpoint };
}

function decodeSent(bytes: Uint8Array, hash: string, replicas: number, training: TrainingProgram): Checkpoint {
  try {
    return decodeCheckpoint(bytes, files.checkpoint, hash, replicas, training);
  } catch (error) {
    throw new InputError(printableLine((error as Error).message, 500), { cause: error });
  }
}

/** Ends, steps and best losses are in both files and must agree. @throws InputError */
function sameAsCheckpoint(
  replica: number,
  { evals, end }: ReplicaRecords,
  { state, progress }: Checkpoint['replicas'][number],
): void {
  const finite = evals.map(({ loss }) => loss).filter(Number.isFinite);
  const best = finite.length ? Math.min(...finite) : null;
  const pairs: [what: string, records: unknown, checkpoint: unknown][] = [
    ['end', end, progress?.ended],
    ['best loss', best, progress?.bestLoss],
    ['last step', evals.at(-1)?.step, stepOf(state)],
  ];
  for (const [what, here, there] of pairs)
    if (here !== there)
      throw new InputError(
        `${files.records}: ${what} of replica ${replica} is ${here}, in ${files.checkpoint} ${printableLine(String(there))}`,
      );
}

const RECORD_BYTES = 400; // approximate maximum for a line
const STARTS = 10_000; // for a run that was resumed again and again
const VALUES = 1000; // values of a measure in one evaluation: layers times levels

/** Maximum size of a run's files given what is in them, with a generous margin. */
function mostBytes(experiment: Experiment, rules: Rules, training: TrainingProgram): Record<RunFileName, number> {
  const { replicas, evaluation } = experiment;
  const tuples = rules.rules.reduce((sum, _, depth) => sum + parents(rules, depth) * rules.m, 0);
  const weights = rules.n + rules.L * rules.m;
  const evaluations = evaluationSteps(plannedSteps(experiment), evaluation.perDoubling).length;
  const lines = STARTS + replicas * (3 + evaluations * (1 + VALUES * experiment.measures.length));
  const rows = parameterRows(training);
  const tensors = rows * training.model.parameters.reduce((sum, { disk }) => sum + disk.length, 0);
  return {
    [files.experiment]: MOST_EXPERIMENT_BYTES,
    [files.rules]: 2 ** 16 + tuples * (4 + 8 * rules.s) + 32 * weights,
    [files.records]: Math.min(2 ** 29 - 2 ** 16, RECORD_BYTES * lines),
    [files.checkpoint]: 2 ** 16 + replicas * (4 * rows * training.program.parameterCount + 512 * (tensors + 8)),
  };
}
