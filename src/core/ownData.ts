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
  const head = Uint32Array.of(set.count, set.length, set.labels ? 1 : 0);
  const words = new Uint32Array(head.length + set.data.length + (set.labels?.length ?? 0));
  words.set(head);
  words.set(set.data, head.length);
  if (set.labels) words.set(set.labels, head.length + set.data.length);
  const digest = await digestOf(new Uint8Array(words.buffer));
  known.set(digest, set);
  return { digest, rows: set.count };
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
  const { grammar, budget, evaluation, data: named } = input;
  for (const name of Object.keys(data))
    if (!(dataNames as readonly string[]).includes(name))
      throw new InputError(`data.${name}: no such set; pass ${dataNames.join(', ')}`);
  for (const name of ['train', 'test'] as const)
    if (!data[name]) throw new InputError(`data.${name}: missing; pass rows of tokens`);
  const train = await registerData('data.train', data.train);
  const test = await registerData('data.test', data.test);
  const validation = data.validation && (await registerData('data.validation', data.validation));
  const own = { train, test, ...(validation && { validation }) };
  for (const name of dataNames)
    if (named && named[name]?.digest !== own[name]?.digest)
      throw new InputError(
        `data.${name}: these rows are ${own[name]?.digest}, the experiment names ${named[name]?.digest}; pass the rows that it was made with`,
      );
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
        `data.${name}: the rows with digest ${digest} are not available; pass them as data (rhm train --set data.${name}=FILE)`,
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
