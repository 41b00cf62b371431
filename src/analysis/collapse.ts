import { modelFacts } from '../core/modelFacts.js';
import { streamKey } from '../core/threefry.js';
import { UniformStream } from '../core/uniform.js';
import { type Family, sampleComplexity } from '../theory/index.js';
import { type Curve, density, shapeName } from './curves.js';
import { crossingBy, groupBy, isVisible, type UnitOfGrammar, unitsOf } from './staircase.js';
import { mean, variance } from './statistics.js';

/** How well the curves of several grammar sizes coincide when P is divided by a law for P_ell. */
export interface CollapseRow {
  series: string;
  online: boolean;
  ell: number;
  law: Family; // the law that the model is expected to follow
  shapes: Curve['shape'][];
  /** Standard deviation over grammar sizes of ln P at equal height in the step: as trained, and divided by each law. */
  raw: number;
  byLaw: Record<Family, number>;
  /** The measure of the collapse: byLaw[law] / raw. 0: the curves coincide; 1: no improvement. */
  score: number;
  low: number; // 95% bootstrap interval over grammars; NaN with one unit per size
  high: number;
}

/** Heights in the step at which curves are compared, 1 at H(ell-1) and 0 at H(ell). */
const HEIGHTS = [0.75, 0.5, 0.25];

export const lawNames: Record<Family, string> = { cnn: 'CNN', transformer: 'transformer' };

export function collapseTable(curves: readonly Curve[]): CollapseRow[] {
  const rows: CollapseRow[] = [];
  for (const series of groupBy(curves, (c) => c.series)) {
    const law = modelFacts(series[0].kind).family;
    const levels = Math.max(0, ...series.map((c) => (c.plateaus?.length ?? 1) - 1));
    if (!law) continue;
    for (let ell = 1; ell <= levels; ell++) {
      const sizes = groupBy(
        series.filter((c) => density(c.shape) < 1 && c.plateaus && ell < c.plateaus.length && isVisible(c, ell)),
        (c) => shapeName(c.shape),
      )
        .map((group) => ({ shape: group[0].shape, heights: HEIGHTS.map((h) => heightUnits(group, ell, h)) }))
        .filter((size) => size.heights.every((units) => units !== undefined)) as Size[];
      if (sizes.length < 2) continue;
      const complexity = (family: Family) => sizes.map((z) => Math.log(sampleComplexity(z.shape, family, ell)));
      const shifts = { cnn: complexity('cnn'), transformer: complexity('transformer') };
      const zero = sizes.map(() => 0);
      const centres = sizes.map((size) => size.heights.map((units) => mean(units.map((u) => u.value))));
      const raw = spread(centres, zero);
      if (!(raw > 0)) continue;
      const byLaw = { cnn: spread(centres, shifts.cnn), transformer: spread(centres, shifts.transformer) };
      const [low, high] = scoreInterval(sizes, shifts[law]);
      rows.push({
        series: series[0].series,
        online: series[0].online,
        ell,
        law,
        shapes: sizes.map((z) => z.shape),
        raw,
        byLaw,
        score: byLaw[law] / raw,
        low,
        high,
      });
    }
  }
  return rows;
}

interface Size {
  shape: Curve['shape'];
  heights: UnitOfGrammar[][]; // [height][unit], ln P; units in the same order at every height
}

/** ln P at one height of the step; undefined unless every curve reaches it. */
function heightUnits(curves: readonly Curve[], ell: number, height: number): UnitOfGrammar[] | undefined {
  const found = curves.map((curve) => {
    const plateaus = curve.plateaus!;
    const at = crossingBy(curve, plateaus[ell] + height * (plateaus[ell - 1] - plateaus[ell]));
    return at?.bound === 'none' ? { grammar: curve.grammar, value: at.logSamples, bound: at.bound } : undefined;
  });
  return found.includes(undefined) ? undefined : unitsOf(found as UnitOfGrammar[]);
}

/** Root mean square over heights of the standard deviation over sizes. centres [size][height]. */
function spread(centres: readonly number[][], shifts: readonly number[]): number {
  return Math.sqrt(mean(HEIGHTS.map((_, j) => variance(centres.map((c, i) => c[j] - shifts[i])))));
}

function scoreInterval(sizes: readonly Size[], shifts: readonly number[], draws = 1000): [number, number] {
  if (sizes.some((size) => size.heights[0].length < 2)) return [Number.NaN, Number.NaN];
  const random = new UniformStream(streamKey(0, 'measure', 0xc011));
  const scores: number[] = [];
  for (let draw = 0; draw < draws; draw++) {
    const centres = sizes.map(({ heights }) => {
      const n = heights[0].length;
      const picks = Array.from({ length: n }, () => random.below(n));
      return heights.map((units) => mean(picks.map((k) => units[k].value)));
    });
    scores.push(
      spread(centres, shifts) /
        spread(
          centres,
          shifts.map(() => 0),
        ),
    );
  }
  scores.sort((a, b) => a - b);
  return [scores[Math.floor(0.025 * draws)], scores[Math.ceil(0.975 * draws) - 1]];
}
