/** The factors of an experiment on which predictions regress, and the fields that must be equal for runs to be comparable. */
import { canonicalJson } from '../../core/canonical.js';
import type { Experiment } from '../../core/experiment.js';
import { modelFacts } from '../../core/modelFacts.js';
import { precisions } from '../../core/precision.js';
import { type GrammarShape, shapeOf } from '../../core/rules.js';
import { sampleComplexity } from '../complexity.js';
import type { Factor } from './factorRegression.js';

export interface Setting {
  model: string; // its name
  shape: GrammarShape;
  /** Fields that must be equal, flattened; `population` is their text. */
  fixed: Readonly<Record<string, unknown>>;
  population: string;
  factors: readonly Factor[]; // the same for a whole population
  values: readonly number[]; // by factor
}

/** Numeric fields of an experiment other than those of its model. */
const common: readonly (Factor & { of(experiment: Experiment, shape: GrammarShape): number })[] = [
  { name: 'grammar.m', scale: 'log', of: (_, { m }) => m },
  { name: 'grammar.v', scale: 'log', of: (_, { v }) => v },
  { name: 'grammar.n / grammar.v', scale: 'log', of: (_, { v, n }) => n / v },
  { name: 'grammar.L', scale: 'log', of: (_, { L }) => L },
  { name: 'optimiser.rate', scale: 'log', square: true, of: ({ optimiser }) => optimiser.rate },
  { name: 'budget.batch', scale: 'log', of: ({ budget }) => budget.batch * budget.accumulate },
  {
    name: 'precision',
    scale: 'linear',
    show: (value) => precisions[value] ?? String(value),
    of: ({ precision }) => precisions.indexOf(precision ?? 'f32'),
  },
];

const DEPTH = 'depth'; // counted in levels of the grammar, which is the default
const FILTER = 'filter'; // s by default

export function settingOf(experiment: Experiment): Setting {
  const { budget, evaluation, grammar, model, optimiser, schedule, task } = experiment;
  const shape = shapeOf(grammar);
  const { v: _v, n: _n, m: _m, L: _L, s, seed: _seed, rules: _rules, shuffle, ...restOfGrammar } = grammar;
  const fields = Object.entries({ [FILTER]: shape.s, ...model } as Record<string, unknown>);
  const own: { factor: Factor; value: number }[] = [];
  const fixed: Record<string, unknown> = {
    ...prefixed('grammar', { ...restOfGrammar, s, shuffle: shuffle !== undefined }),
    'budget.sentences': budget.sentences === undefined ? 'one pass' : 'in data',
    'evaluation.positions': evaluation.positions,
    ...prefixed('task', task),
    ...prefixed('schedule', schedule),
    ...prefixed('optimiser', { ...optimiser, rate: undefined }),
  };
  for (const [name, value] of fields) {
    if (name === DEPTH) continue;
    if (typeof value === 'number')
      own.push({ factor: { name: `model.${name}`, scale: value > 0 ? 'log' : 'linear' }, value });
    else fixed[`model.${name}`] = value;
  }
  const depth = (model as { depth?: number }).depth ?? shape.L;
  own.push({ factor: { name: 'model.depth / grammar.L', scale: 'linear' }, value: depth / shape.L });
  own.sort((a, b) => a.factor.name.localeCompare(b.factor.name));
  const factors = [...common, ...own.map(({ factor }) => factor)];
  return {
    model: model.kind,
    shape,
    fixed,
    population: canonicalJson([fixed, factors.map(({ name, scale }) => [name, scale])]),
    factors,
    values: [...common.map(({ of }) => of(experiment, shape)), ...own.map(({ value }) => value)],
  };
}

const prefixed = (name: string, section: object) =>
  Object.fromEntries(Object.entries(section).map(([key, value]) => [`${name}.${key}`, value]));

/**
 * ln of the law of P_ell for the model's family; 0 for a model without one, so that grammar sizes are ordinary factors. undefined: f
 * is 1 or more.
 */
export function logLaw({ model, shape }: Pick<Setting, 'model' | 'shape'>, ell: number): number | undefined {
  const { family } = modelFacts(model);
  if (!family) return 0;
  const P = sampleComplexity(shape, family, ell);
  return P > 0 && Number.isFinite(P) ? Math.log(P) : undefined;
}

/** How the settings of a run differ from the closest of the others, as text. */
export function differences(setting: Setting, others: readonly Setting[]): string {
  const text = (value: unknown) =>
    value === undefined ? 'default' : typeof value === 'string' ? value : JSON.stringify(value);
  const lists = others.map(({ fixed }) =>
    [...new Set([...Object.keys(setting.fixed), ...Object.keys(fixed)])]
      .filter((key) => canonicalJson([setting.fixed[key]]) !== canonicalJson([fixed[key]]))
      .map((key) => `${key} ${text(setting.fixed[key])}: the store has ${text(fixed[key])}`),
  );
  return lists.reduce((a, b) => (b.length < a.length ? b : a)).join('; ') || 'other options of the model';
}
