/** Sentences that networks of masked tokens write, and what noise on leaves does to trees of the same grammars. */
import { makeRules } from '../core/rules.js';
import { type DenoisingPoint, denoisingCurve, denoisingThreshold } from '../theory/index.js';
import { type Curve, shapeName } from './curves.js';
import { groupBy } from './staircase.js';
import { type Estimate, linearStatistic } from './statistics.js';

/** Fraction of the sentences written by a network that obey the rules up to a level, against P: the measure `validity`. */
export interface ValidityCurve {
  series: string;
  kind: Curve['kind'];
  shape: Curve['shape'];
  grammar: string;
  replica: string; // folder and replica
  level: number; // counted from the leaves
  points: { samples: number; valid: number }[];
}

/** The forward-backward experiment by the exact posterior on one grammar: noise replaces tokens. */
export interface DenoisingRow {
  shape: Curve['shape'];
  grammar: string;
  points: DenoisingPoint[];
}

/** How often the root changes in trees of other depths, on grammars drawn for it. */
export interface DepthRow {
  shape: Curve['shape']; // L of the trees
  points: { rate: number; changed: number; error: number }[];
}

/** The rate of noise at which the root changes half as often as by chance, over grammars of one size. */
export interface RootLoss {
  shape: Curve['shape'];
  predicted: number | undefined; // for a deep tree, by density evolution
  measured: Estimate;
}

export function validityCurves(curves: readonly Curve[]): ValidityCurve[] {
  return curves.flatMap(({ series, kind, shape, grammar, replica, measures }) => {
    const relevant = measures.filter((m) => m.name === 'valid' && m.samples > 0);
    return groupBy(relevant, (m) => String(m.level)).map((group): ValidityCurve => {
      const points = group.map(({ samples, value }) => ({ samples, valid: value }));
      return { ...{ series, kind, shape, grammar, replica }, level: group[0].level!, points };
    });
  });
}

const RATES = Array.from({ length: 21 }, (_, i) => i / 20);
const SENTENCES = 192;

/** On the grammars of the curves that write sentences. */
export function denoisingRows(curves: readonly Curve[]): DenoisingRow[] {
  const writing = curves.filter(({ measures }) => measures.some((m) => m.name === 'valid'));
  return groupBy(writing, (c) => c.grammar).map(([{ shape, grammar, rules }]) => ({
    ...{ shape, grammar },
    points: denoisingCurve(rules, { rates: RATES, sentences: SENTENCES }),
  }));
}

const DEPTHS = [2, 4, 6];
const GRAMMARS = 2;
const DEPTH_SENTENCES = 48;

/** Of v, m and s of the rows: how much more sharply the root is lost in deeper trees. */
export function depthRows(rows: readonly DenoisingRow[]): DepthRow[] {
  const kinds = groupBy(rows, ({ shape: { v, m, s } }) => [v, m, s].join()).map(([{ shape }]) => shape);
  return kinds.flatMap((kind) =>
    DEPTHS.map((L): DepthRow => {
      const shape = { ...kind, n: kind.v, L };
      const curves = Array.from({ length: GRAMMARS }, (_, i) =>
        denoisingCurve(makeRules(shape, i + 1), { rates: RATES, sentences: DEPTH_SENTENCES, seed: i }),
      );
      const points = RATES.map((rate, k) => {
        const at = curves.map((curve) => curve[k]);
        const changed = at.reduce((sum, { changed }) => sum + changed[L] / GRAMMARS, 0);
        return { rate, changed, error: Math.hypot(...at.map(({ error }) => error[L])) / GRAMMARS };
      });
      return { shape, points };
    }),
  );
}

export function rootLosses(rows: readonly DenoisingRow[]): RootLoss[] {
  return groupBy(rows, (row) => shapeName(row.shape)).map((group) => {
    const { shape } = group[0];
    const units = group.map((row) => ({ value: middleOf(row, shape.L), bound: 'none' as const }));
    return { shape, predicted: denoisingThreshold(shape, 'replace'), measured: linearStatistic([units], [1]) };
  });
}

/** The rate at which a level changes half as often as where nothing is left, straight lines between rates. */
export function middleOf({ points }: Pick<DenoisingRow, 'points'>, level: number): number {
  const half = points[points.length - 1].changed[level] / 2;
  const i = points.findIndex(({ changed }) => changed[level] >= half);
  if (i <= 0) return points[0].rate;
  const [before, after] = [points[i - 1], points[i]];
  const part = (half - before.changed[level]) / (after.changed[level] - before.changed[level]);
  return before.rate + part * (after.rate - before.rate);
}
