/** From a grid to its runs: every combination, its derived values, filters and checks; all faults are reported together. */
import { contentHash } from '../core/canonical.js';
import { InputError } from '../core/errors.js';
import { type Experiment, ExperimentError, parseExperiment } from '../core/experiment.js';
import { fillData, type NamedData } from '../core/ownData.js';
import type { Rules } from '../core/rules.js';
import { setField } from '../core/settings.js';
import { measures } from '../measures/index.js';
import { checkGrammar, membersOf, rulesOf } from '../training/members.js';
import { trainingProgram } from '../training/program.js';
import type { AxisValue } from './axes.js';
import { checkUnset, firstSentences, type GridSearch, searchProblems } from './gridSearch.js';
import { derivedValue, scopeOf } from './scope.js';
import { type Block, GridError, type GridFault, parseSpec, type Spec } from './spec.js';

/** One run of a sweep. */
export interface SweepRun {
  readonly hash: string; // content hash of the experiment: the run's name in the store
  readonly name: string; // for people: the fields that vary, `grammar.m=4 seed=2`
  readonly experiment: Experiment;
}

export interface Grid {
  readonly name: string | undefined;
  /** If set, every run represents a curve: it is the run at the smallest P. */
  readonly search: GridSearch | undefined;
  /** Every experiment once, in the order of the grid. */
  readonly runs: readonly SweepRun[];
  readonly combinations: number; // before filters
  readonly filtered: number; // left out by filters
  readonly duplicates: number; // combinations that give the same experiment as an earlier one
}

/** The rows of tokens for a combination, given its `data`; undefined if it trains on a grammar. @throws InputError */
export type NameRows = (data: unknown) => Promise<NamedData | undefined>;

/**
 * Expands a grid (the value of a JSON or YAML file). A grid of 10^4 runs takes a second or two. `nameRows` is called for each
 * combination; without it, `data` holds digests of rows that this thread knows.
 * @throws GridError listing all faults: of the file, and of every combination that is not a valid experiment. If the file has faults,
 * only faults of single fields are listed for combinations: whether fields fit together depends on what the file lacks.
 */
export async function expandGrid(input: unknown, nameRows?: NameRows): Promise<Grid> {
  const spec = parseSpec(input);
  const isWhole = !spec.faults.length;
  const faults = new Faults();
  const checker = new Checker();
  const parser = new Parser();
  const kept: Omit<SweepRun, 'hash'>[] = [];
  let filtered = 0;
  let number = 0;
  for (const block of spec.blocks)
    for (const combination of combinations(block)) {
      const fault = (message: string) => faults.add(message, number);
      const run = await readCombination(block, combination, parser, spec, nameRows, fault);
      number++;
      if (run === 'filtered') filtered++;
      if (run === 'filtered' || run === 'faulty') continue;
      for (const problem of isWhole ? checker.problems(run) : []) faults.add(problem, number - 1);
      if (!faults.any) kept.push({ name: nameOf(combination), experiment: run });
    }
  if (faults.any || !isWhole) throw new GridError([...spec.faults, ...faults.list()]);
  if (filtered === number)
    throw new GridError([
      { message: `filter: leaves none of ${number} combinations; the grid is empty`, runs: [], count: 0 },
    ]);
  const found = new Map<string, SweepRun>();
  // In parts: everything requested at once is in memory at once.
  for (let from = 0; from < kept.length; from += HASHED_AT_ONCE) {
    const part = kept.slice(from, from + HASHED_AT_ONCE);
    const hashes = await Promise.all(part.map(({ experiment }) => contentHash(experiment)));
    part.forEach((run, i) => {
      if (!found.has(hashes[i])) found.set(hashes[i], { hash: hashes[i], ...run });
    });
  }
  const duplicates = number - filtered - found.size;
  return {
    name: spec.name,
    search: spec.search,
    runs: [...found.values()],
    combinations: number,
    filtered,
    duplicates,
  };
}

const HASHED_AT_ONCE = 512;
const LARGE_SEED = 2 ** 52; // above this the seeds of replicas may exceed 2^53

type Combination = readonly { readonly field: string; readonly value: AxisValue }[];

/** Every combination of a block's axes; the first axis varies slowest. */
function* combinations(block: Block): Generator<Combination> {
  const axes = block.axes.map(({ fields, axes }) => {
    const values = axes.map((axis) => axis.values());
    return values[0].map((_, i) => fields.map((field, k) => ({ field, value: values[k][i] })));
  });
  for (let i = 0; i < block.count; i++) {
    const picked: Combination[number][] = [];
    let rest = i;
    for (let a = axes.length - 1; a >= 0; a--) {
      picked.unshift(...axes[a][rest % axes[a].length]);
      rest = Math.floor(rest / axes[a].length);
    }
    yield picked;
  }
}

async function readCombination(
  block: Block,
  combination: Combination,
  parser: Parser,
  { search, faults: { length: ofFile }, doubtful }: Spec,
  nameRows: NameRows | undefined,
  fault: (message: string) => void,
): Promise<Experiment | 'filtered' | 'faulty'> {
  let raw: Record<string, unknown> = {};
  const variables = new Map<string, unknown>();
  const derived = [
    ...combination.filter(({ value }) => 'derived' in value),
    ...block.derive.map(({ field, axis }) => ({ field, value: axis.values()[0] })),
  ];
  const problems = new Set<string>();
  const attempt = (what: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      if (ofFile && !(error instanceof ExperimentError && error.ofFields)) return;
      const messages = error instanceof ExperimentError ? error.faults : [error.message];
      // What is computed from a grammar that does not exist is not at fault itself.
      const cause = what && !what.startsWith('grammar.') ? faultOfGrammar(raw) : undefined;
      for (const message of messages) problems.add(cause ?? (what ? `${what}: ${message}` : message));
    }
  };
  const set = (field: string, value: unknown) =>
    attempt(field, () => {
      if (field.startsWith('$')) variables.set(field, value);
      else setField(raw, field, structuredClone(value));
    });
  for (const [field, value] of Object.entries(block.base)) set(field, value);
  for (const { field, value } of combination) if ('value' in value) set(field, value.value);
  if (nameRows)
    try {
      raw = withRows(raw, await nameRows(raw.data));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      fault(error.message); // without the rows nothing more can be checked
      return 'faulty';
    }

  for (const { field, value } of derived) {
    if ('value' in value) set(field, value.value);
    else attempt(field, () => set(field, derivedValue(value.derived, field, scopeOf(withDefaults(raw), variables))));
  }
  let experiment: Experiment | undefined;
  attempt('', () => {
    experiment = search && !ofFile ? searchable(parser, raw, search) : parser.parse(raw);
  });
  if (block.filters.length) {
    const scope = scopeOf((experiment as Record<string, unknown> | undefined) ?? withDefaults(raw), variables);
    let kept: unknown = true;
    let evaluated = 0;
    for (const filter of block.filters)
      attempt('filter', () => {
        kept &&= filter.evaluate(scope);
        evaluated++;
      });
    if (!kept || (ofFile && evaluated < block.filters.length)) return 'filtered';
  }
  if (experiment?.from) problems.add('from: a sweep cannot continue another run; use rhm train --from for it');
  for (const problem of problems) if (!doubtful.has(problem.split(/[.:]/)[0])) fault(problem);
  return problems.size || !experiment ? 'faulty' : experiment;
}

/** What is wrong with the sizes of a combination's grammar, of which expressions may be computed; undefined: nothing. */
function faultOfGrammar(raw: Record<string, unknown>): string | undefined {
  try {
    checkGrammar(withDefaults(raw).grammar as Experiment['grammar']);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

/** The fields, with `data` as digests and the defaults that follow from the rows. */
function withRows(raw: Record<string, unknown>, rows: NamedData | undefined): Record<string, unknown> {
  if (!rows) return raw;
  const { data: _, ...rest } = raw;
  return fillData(rest, rows) as Record<string, unknown>;
}

/** The experiment at the smallest P. @throws InputError if it cannot be searched */
function searchable(parser: Parser, raw: Record<string, unknown>, search: GridSearch): Experiment {
  if (raw.data !== undefined)
    throw new InputError(
      "search: looks for the steps of a grammar's loss, which your own data does not have; leave search or data out",
    );
  const budget = raw.budget as Record<string, unknown> | undefined;
  checkUnset(Object.keys(budget ?? {}).map((key) => `budget.${key}`));
  const { batch, accumulate } = parser.parse(raw).budget;
  setField(raw, 'budget.sentences', firstSentences(search, batch * accumulate));
  const experiment = parser.parse(raw);
  const problems = searchProblems(search, experiment);
  if (problems.length) throw new ExperimentError(problems);
  return experiment;
}

/** parseExperiment, called once for consecutive runs that differ only in their seed: these share the sections of one experiment. */
class Parser {
  #key = '';
  #last: Experiment | undefined;

  parse(raw: Record<string, unknown>): Experiment {
    const { seed, ...rest } = raw;
    const key = JSON.stringify(rest);
    const whole = typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0;
    if (whole && this.#last && key === this.#key) return Object.freeze({ ...this.#last, seed });
    this.#last = parseExperiment(raw);
    this.#key = key;
    return this.#last;
  }
}

const defaults = new Map<string, Experiment | undefined>();

/** The fields, with defaults for those not set (yet: a derivation may complete the experiment). Nothing is checked. */
function withDefaults(raw: Record<string, unknown>): Record<string, unknown> {
  const kindOf = (value: unknown) =>
    typeof value === 'string' ? value : (value as { kind?: unknown } | undefined)?.kind;
  const kinds = { model: kindOf(raw.model), optimiser: kindOf(raw.optimiser) };
  const key = JSON.stringify(kinds);
  if (!defaults.has(key)) {
    let known: Experiment | undefined;
    try {
      known = parseExperiment(kinds);
    } catch {} // a kind that does not exist is reported when the experiment is checked
    defaults.set(key, known);
  }
  const known = defaults.get(key) as Record<string, unknown> | undefined;
  if (!known) return raw;
  const sections = Object.entries(raw).map(([name, value]) => {
    if (typeof value === 'string' && (name === 'task' || name === 'schedule'))
      return [name, { ...(known[name] as object), kind: value }];
    const inner = known[name];
    const section = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    if (!section) return [name, value];
    return [name, typeof value === 'object' ? { ...inner, ...value } : inner];
  });
  return { ...known, ...Object.fromEntries(sections) };
}

function nameOf(combination: Combination): string {
  return combination.map(({ field, value }) => `${field}=${valueText(value)}`).join(' ') || 'the run';
}

function valueText(at: AxisValue): string {
  if ('value' in at) return typeof at.value === 'string' ? at.value : JSON.stringify(at.value);
  return at.derived.kind === 'expression' ? at.derived.expression.text : `${at.derived.times}*P_${at.derived.ell}`;
}

/** Faults by message: a fault of all runs is reported once. */
class Faults {
  readonly #found = new Map<string, { runs: number[]; count: number }>();

  get any(): boolean {
    return this.#found.size > 0;
  }

  add(message: string, run: number): void {
    const fault = this.#found.get(message) ?? { runs: [], count: 0 };
    this.#found.set(message, fault);
    fault.count++;
    if (fault.runs.length < 5) fault.runs.push(run);
  }

  list(): GridFault[] {
    return [...this.#found].map(([message, fault]) => ({ message, ...fault }));
  }
}

/**
 * The checks of `rhm train` beyond the schema, each done once for all runs between which it makes no difference: shapes by
 * everything except seeds and rates, amounts of data by everything except seeds.
 */
class Checker {
  readonly #shapes = new Map<string, string | undefined>();
  readonly #data = new Map<string, string | undefined>();
  readonly #rules = new Map<string, Rules>();
  readonly #sections = new WeakMap<object, readonly string[]>(); // by budget, which runs share if they differ only in the seed

  problems(experiment: Experiment): readonly string[] {
    const seen = this.#sections.get(experiment.budget);
    if (seen && experiment.seed <= LARGE_SEED) return seen;
    const problems = this.#examine(experiment);
    this.#sections.set(experiment.budget, problems);
    return problems;
  }

  #examine(experiment: Experiment): readonly string[] {
    const { grammar, optimiser, budget, schedule: _, seed, replicas: __, ...rest } = experiment;
    const ofGrammar = { ...grammar, seed: undefined };
    const { batch, accumulate } = budget;
    const shape = { ...rest, grammar: ofGrammar, optimiser: optimiser.kind, budget: { batch, accumulate } };
    const broken = once(this.#shapes, JSON.stringify(shape), () => {
      const program = parseExperiment({ ...shape, replicas: 1 });
      trainingProgram(membersOf(program, this.#rulesFor(program)), measures);
    });
    const { evaluation, data: rows } = experiment;
    const data = [ofGrammar, budget.sentences, batch * accumulate, evaluation, rows, rest.task, seed > LARGE_SEED];
    const short =
      broken ?? once(this.#data, JSON.stringify(data), () => membersOf(experiment, this.#rulesFor(experiment)));
    return short === undefined ? [] : [short];
  }

  /** Rules of the right size; the rules themselves make no difference here. */
  #rulesFor(experiment: Experiment): Rules {
    const key = JSON.stringify({ ...experiment.grammar, seed: undefined });
    const rules = this.#rules.get(key) ?? rulesOf(experiment);
    this.#rules.set(key, rules);
    return rules;
  }
}

function once(known: Map<string, string | undefined>, key: string, check: () => void): string | undefined {
  if (known.has(key)) return known.get(key);
  let problem: string | undefined;
  try {
    check();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    problem = error.message;
  }
  known.set(key, problem);
  return problem;
}
