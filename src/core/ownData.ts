/** Sequences of tokens on which a run is trained instead of a grammar's sentences. A digest of their contents identifies them. */
import { digestOf } from './canonical.js';
import { counted } from './counted.js';
import { InputError } from './errors.js';
import type { Experiment, ExperimentInput } from './experimentTypes.js';
import type { Rules } from './rules.js';
import { rowsOf, type TokenRows } from './tokens.js';

/** Rows of tokens, and for the task `class` one label per row. */
export type DataRows = TokenRows | { tokens: TokenRows; labels?: ArrayLike<number | bigint> };

/** Training, validation and test rows of a run. Rows may also come one by one, from a generator or a stream. */
export interface OwnData {
  train: DataRows | AsyncIterable<ArrayLike<number>>;
  validation?: DataRows | AsyncIterable<ArrayLike<number>>;
  test: DataRows | AsyncIterable<ArrayLike<number>>;
}

export interface DataSet {
  count: number; // N, rows
  length: number; // T, tokens per row
  data: Uint32Array<ArrayBuffer>; // [N, T]
  labels?: Uint32Array<ArrayBuffer>; // [N]
}

export const dataNames = ['train', 'validation', 'test'] as const;
export type DataName = (typeof dataNames)[number];

/** What an experiment says of its rows. */
export type NamedData = NonNullable<Experiment['data']>;

const known = new Map<string, DataSet>();
const VOCABULARY = 2 ** 16; // most symbols

/** Registers rows in this thread under their digest. name: for messages. @throws InputError naming the row and the place */
export async function registerData(name: string, input: OwnData['train']): Promise<{ digest: string; rows: number }> {
  const given: DataRows = Symbol.asyncIterator in Object(input) ? await allOf(input as never) : (input as DataRows);
  const { tokens, labels } =
    typeof given === 'object' && given !== null && 'tokens' in given ? given : { tokens: given, labels: undefined };
  const rows = rowsOf(tokens, VOCABULARY, name);
  if (rows.count < 2 || rows.length < 2)
    throw new InputError(
      `${name}: ${counted(rows.count, 'row')} of ${counted(rows.length, 'token')}; pass at least 2 rows of at least 2`,
    );
  const set: DataSet = { ...rows, labels: labels && labelsOf(labels, rows.count, `${name}.labels`) };
  const digest = await digestOf(bytesOf(set));
  known.set(digest, set);
  return { digest, rows: set.count };
}

const HEAD = 3; // words: rows, tokens per row, whether there are labels

/** What the digest is of: head, tokens and labels as 32-bit words. */
function bytesOf({ count, length, data, labels }: DataSet): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(HEAD + data.length + (labels?.length ?? 0));
  words.set([count, length, labels ? 1 : 0]);
  words.set(data, HEAD);
  if (labels) words.set(labels, HEAD + data.length);
  return new Uint8Array(words.buffer);
}

/** Rows on their way to another thread, process or machine. */
export interface SentData {
  readonly digest: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Digests of the rows that experiments are trained on, each once. */
export const digestsOf = (experiments: readonly Pick<Experiment, 'data'>[]): string[] => [
  ...new Set(experiments.flatMap(({ data }) => (data ? Object.values(data).map(({ digest }) => digest) : []))),
];

export const isKnown = (digest: string): boolean => known.has(digest);

/** The rows of these digests that this thread knows. */
export function sentData(digests: readonly string[]): SentData[] {
  return digests.flatMap((digest) => {
    const set = known.get(digest);
    return set ? [{ digest, bytes: bytesOf(set) }] : [];
  });
}

/** Bytes of a set as it is sent, with labels or without. */
export const mostBytes = (rows: number, length: number): number => 4 * (HEAD + rows * (length + 1));

/** Makes rows that were sent known to this thread. @throws InputError where they are not those of their digest */
export async function receiveData({ digest, bytes }: SentData): Promise<void> {
  if (known.has(digest)) return;
  const own = await digestOf(bytes);
  if (own !== digest) throw new InputError(`data: rows came as ${digest}, but are ${own}; send them again`);
  const words = new Uint32Array(bytes.slice().buffer);
  const [count, length, labelled] = words;
  const tokens = words.slice(HEAD, HEAD + count * length);
  const labels = labelled ? words.slice(HEAD + count * length) : undefined;
  known.set(digest, { count, length, data: tokens, labels });
}

async function allOf(rows: AsyncIterable<ArrayLike<number>>): Promise<TokenRows> {
  const all: ArrayLike<number>[] = [];
  for await (const row of rows) all.push(Array.from(row));
  return all;
}

function labelsOf(labels: ArrayLike<number | bigint>, count: number, name: string): Uint32Array<ArrayBuffer> {
  if (labels.length !== count)
    throw new InputError(`${name}: ${labels.length} labels of ${count} rows; pass one per row`);
  return rowsOf({ shape: [count, 1], data: labels }, VOCABULARY, name).data;
}

/**
 * The experiment that trains on these rows: their digests become part of it. Fields that it leaves open follow from the rows: all
 * are trained on (budget.sentences) and evaluated.
 * @throws InputError for malformed rows, or rows other than those the experiment names
 */
export async function withData(input: ExperimentInput, data: OwnData): Promise<ExperimentInput> {
  return fillData(input, await nameData(data));
}

/** Makes rows known to this thread, and says what an experiment calls them. @throws InputError for malformed rows */
export async function nameData(data: OwnData): Promise<NamedData> {
  checkSets(data);
  const train = await registerData('data.train', data.train);
  const test = await registerData('data.test', data.test);
  const validation = data.validation && (await registerData('data.validation', data.validation));
  return { train, test, ...(validation && { validation }) };
}

/** @throws InputError unless these are the sets that a run needs */
export function checkSets(data: object): void {
  for (const name of Object.keys(data))
    if (!(dataNames as readonly string[]).includes(name))
      throw new InputError(`data.${name}: no such set; pass ${dataNames.join(', ')}`);
  for (const name of ['train', 'test'] as const)
    if (!(data as OwnData)[name]) throw new InputError(`data.${name}: missing; pass rows of tokens`);
}

/** @throws InputError for rows other than those that an experiment names; it may name none */
export function checkNamed(named: Partial<NamedData> | undefined, own: NamedData): void {
  for (const name of dataNames)
    if (named && named[name]?.digest !== own[name]?.digest)
      throw new InputError(
        `data.${name}: these rows are ${own[name]?.digest}, the experiment names ${named[name]?.digest}; pass the rows that it was made with`,
      );
}

/** As withData, of rows that are known. @throws InputError for rows other than those the experiment names */
export function fillData(input: ExperimentInput, own: NamedData): ExperimentInput {
  const { grammar, budget, evaluation, data: named } = input;
  const { train, test, validation } = own;
  checkNamed(named, own);
  return {
    ...input,
    data: own,
    grammar: { m: 1, ...grammar },
    budget: { sentences: train.rows, ...budget },
    evaluation: { size: test.rows, ...(validation && { validation: validation.rows }), ...evaluation },
  };
}

/** The rows of an experiment, checked against its sizes; undefined if it is trained on a grammar. @throws InputError */
export function dataOf(experiment: Pick<Experiment, 'data' | 'grammar' | 'task' | 'evaluation' | 'budget'>) {
  const { data, grammar, task, evaluation, budget } = experiment;
  if (!data) return undefined;
  const { v, n = v, s, L } = grammar;
  const wanted = {
    train: budget.sentences ?? data.train.rows,
    validation: evaluation.validation ?? 0,
    test: evaluation.size,
  };
  const sets: Partial<Record<DataName, DataSet>> = {};
  for (const name of dataNames) {
    const { digest } = data[name] ?? {};
    if (digest === undefined) {
      if (wanted[name]) throw new InputError(`data.${name}: missing, evaluation.${name} requires ${wanted[name]} rows`);
      continue;
    }
    const set = known.get(digest);
    if (!set)
      throw new InputError(
        `data.${name}: the rows with digest ${digest} are not available; pass them as data (rhm train --set data.${name}=FILE; in a grid file, base: data.${name}: FILE)`,
      );
    const refuse = (what: string): never => {
      throw new InputError(`data.${name}: ${what}`);
    };
    if (set.length !== s ** L)
      refuse(
        `rows of ${set.length} tokens, grammar.s^L is ${s ** L}; set grammar.s and grammar.L so that they agree, for example s=${set.length} L=1`,
      );
    if (set.data.some((token) => token >= v))
      refuse(
        `contains the token ${set.data.reduce((a, b) => Math.max(a, b), 0)}, grammar.v is ${v}; set grammar.v to the number of symbols`,
      );
    if (task.kind === 'class' && !set.labels)
      refuse("has no labels, which task 'class' predicts; pass { tokens, labels }");
    if (task.kind === 'class' && set.labels!.some((label) => label >= n))
      refuse(
        `contains the label ${set.labels!.reduce((a, b) => Math.max(a, b), 0)}, grammar.n is ${n}; set grammar.n to the number of classes`,
      );
    if (wanted[name] > set.count)
      refuse(`has ${counted(set.count, 'row')}, but ${wanted[name]} are requested; request at most ${set.count}`);
    sets[name] = set;
  }
  return sets as { train: DataSet; test: DataSet; validation?: DataSet };
}

const grammars = new WeakMap<DataSet, Rules>();

/**
 * Rows as a grammar that the sampler can use: root i has one rule, row i. Its numbered derivations are the rows, so order, epochs
 * and resuming work as for sentences. Its symbols are the tokens.
 */
export function rowsAsRules(set: DataSet): Rules {
  let rules = grammars.get(set);
  if (!rules) {
    const { count, length, data } = set;
    const rows = Array.from({ length: count }, (_, i) => [Array.from(data.subarray(i * length, (i + 1) * length))]);
    rules = { v: VOCABULARY, n: count, m: 1, s: length, L: 1, rules: [rows] };
    grammars.set(set, rules);
  }
  return rules;
}
