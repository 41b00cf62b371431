/** A grid with a search: every combination of the grid is one curve in data, narrowed in log P. */
import { counted } from '../core/counted.js';
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { evaluatedTask, exactLevel, tasksWith } from '../core/tasks.js';
import { countDerivations } from '../grammar/derivations.js';
import { membersOf, rulesOf } from '../training/members.js';
import type { Grid } from './grid.js';
import { LARGEST_PART } from './plannedSearch.js';
import type { Found, Search } from './search.js';
import type { GridSearch } from './searchSchema.js';

export type { GridSearch } from './searchSchema.js';

const SEARCHED = 'budget.sentences';

/** Why a combination cannot be a curve; `experiment` is the run at the smallest P. */
export function searchProblems(search: GridSearch, experiment: Experiment): string[] {
  const { evaluation, grammar } = experiment;
  const problems: string[] = [];
  const deepest = Math.max(...search.steps);
  const last = exactLevel(evaluatedTask(experiment), grammar);
  if (last === undefined) {
    const known = tasksWith(({ staircase }) => staircase);
    problems.push(
      `search: needs the task ${known} (or 'auto' with evaluation.positions 'last') with a context of s^ell tokens, whose steps are known exactly`,
    );
  }
  if (evaluation.validation === undefined)
    problems.push('search: needs evaluation.validation, such as 2048: a best loss selected on the test set is biased');
  if (last !== undefined && deepest > last) {
    const name = last === grammar.L ? 'L' : 'that of the context, ell';
    problems.push(`search.steps: ${deepest} is beyond the last step, ${name} = ${last}`);
  }
  return problems;
}

/** The smallest P: `from`, or the batch. */
export const firstSentences = (search: GridSearch, batch: number): number => Math.max(search.from ?? batch, batch);

/** One search per combination. @throws InputError if a grammar is too small for its sets */
export function searchesOf({ search, runs }: Pick<Grid, 'search' | 'runs'>): Search[] {
  if (!search) return [];
  return runs.map(({ name, experiment }): Search => {
    const from = experiment.budget.sentences!;
    const rules = rulesOf(experiment);
    const tenth = Number(countDerivations(rules)) * LARGEST_PART;
    const to = search.to ?? Math.max(from, Math.min(2 ** 22, Math.floor(tenth)));
    const at = (P: number) => ({ ...experiment, budget: { ...experiment.budget, sentences: P } });
    membersOf(at(to), rules); // throws if P, validation and test do not fit the language
    return { name, steps: search.steps, from, to, within: search.within, most: search.most, at };
  });
}

/** Fields that a grid with a search must leave out. @throws InputError */
export function checkUnset(fields: readonly string[]): void {
  if (fields.includes(SEARCHED)) throw new InputError(`${SEARCHED}: is what the search varies; leave it out`);
}

/** `P_2 = 1832 [1650, 2040]`, or a bound, for each step. */
export function foundText({ search, crossings, points }: Found): string {
  const P = (x: number) => String(Number(Math.exp(x).toPrecision(4)));
  const parts = [...crossings].map(([ell, { bound, value, low, high }]) => {
    if (bound === 'none') return `P_${ell} = ${P(value)} [${P(low)}, ${P(high)}]`;
    if (bound === 'unknown') return `P_${ell} unknown`;
    return `P_${ell} ${bound === 'lower' ? '≥' : '≤'} ${P(value)}`;
  });
  return `${search.name}: ${parts.join(', ')} from ${counted(points.length, 'run')}`;
}

/** The same as plain data. */
export const foundJson = ({ search, crossings, points }: Found) => ({
  name: search.name,
  runs: points.length,
  steps: [...crossings].map(([ell, { bound, value, low, high }]) => ({
    ell,
    bound,
    P: Number.isFinite(value) ? Math.exp(value) : null,
    low: Number.isFinite(low) ? Math.exp(low) : null,
    high: Number.isFinite(high) ? Math.exp(high) : null,
  })),
});
