import { modelFacts } from '../core/modelFacts.js';
/** P_ell in data, its law, P_ell in one pass over the same grammars, and the learner that uses correlations alone. */
import type { Rules } from '../core/rules.js';
import { complexityScale } from '../theory/index.js';
import { type ClusterCurve, type ClusterForm, clusterCurves } from './cluster.js';
import { type Curve, grammarKey, hasLaw, type ModelKind, shapeName } from './curves.js';
import { type ExponentRow, exponentOf, type PowerPoint, predictedPower } from './exponents.js';
import { groupBy, type PositionRow, type UnitOfGrammar } from './staircase.js';
import { type Estimate, exponential, linearStatistic } from './statistics.js';

/** The learner that uses correlations alone, on the grammars of one size. */
export interface LearnerRow {
  shape: Curve['shape'];
  ell: number;
  form: ClusterForm;
  ceiling: number; // mean over grammars
  estimate: Estimate; // P at half of the ceiling
  units: UnitOfGrammar[]; // ln P
}

export type ClusterGrammar = (rules: Rules) => Promise<ClusterCurve[]>;

/** One step of one series and size. */
export interface DataRow {
  series: string;
  kind: ModelKind;
  shape: Curve['shape'];
  ell: number;
  law: number | undefined; // without its prefactor
  data: Estimate; // P_ell in data
  factor: Estimate | undefined; // over the law
  pass: Estimate | undefined; // P_ell in one pass over the same grammars
  passBeyond: boolean;
  learner: Estimate | undefined; // P of the learner that uses correlations alone
}

/** How P_ell grows with m. */
export interface DataPower {
  series: string;
  kind: ModelKind;
  ell: number;
  law: number | undefined;
  data: Estimate;
  reached: [number, number] | undefined; // smallest and largest m used, if other sizes give only bounds
  pass: Estimate | undefined;
  learner: Estimate | undefined;
  verdict: DataVerdict;
}

/** Which of the two references is in the interval of a power. `open`: a bound, or no interval. */
export type DataVerdict = 'law' | 'correlations alone' | 'both' | 'neither' | 'open';

const MOST_GRAMMARS = 6; // per size: one grammar takes seconds

/** The learner on the grammars of the curves in data. */
export async function learnerTable(
  curves: readonly Curve[],
  cluster: ClusterGrammar = (rules) => clusterCurves(rules, { draws: 1 }),
): Promise<LearnerRow[]> {
  const usable = curves.filter((c) => !c.online && c.plateaus && hasLaw(c.shape) && c.shape.L > 1);
  const known = groupBy(usable, (c) => shapeName(c.shape)).flatMap((size) =>
    groupBy(size, (c) => c.grammar)
      .slice(0, MOST_GRAMMARS)
      .map(([c]) => c),
  );
  const found: { curve: Curve; clusters: ClusterCurve[] }[] = [];
  for (const curve of known) found.push({ curve, clusters: await cluster(curve.rules) });
  return groupBy(found, ({ curve }) => shapeName(curve.shape)).flatMap((group) =>
    group[0].clusters.map(({ level, form }, c): LearnerRow => {
      const own = group.map(({ curve, clusters }) => ({ grammar: grammarKey(curve.rules), ...clusters[c] }));
      const units = own.map(({ grammar, half }) => ({ grammar, value: Math.log(half.value), bound: half.bound }));
      return {
        shape: group[0].curve.shape,
        ell: level,
        form,
        ceiling: own.reduce((sum, x) => sum + x.ceiling, 0) / own.length,
        estimate: exponential(linearStatistic([units], [1])),
        units,
      };
    }),
  );
}

/** A CNN shares what it finds between places; the other networks start from tokens in each block. */
export const formOf = (kind: ModelKind): ClusterForm => (modelFacts(kind).family === 'cnn' ? 'pooled' : 'raw');

export function dataTable(
  positions: readonly (PositionRow & { predicted: number | undefined })[],
  kinds: ReadonlyMap<string, ModelKind>,
  learner: readonly LearnerRow[],
): DataRow[] {
  return positions
    .filter((p) => !p.online)
    .map((p): DataRow => {
      const kind = kinds.get(p.series)!;
      const pass = passOf(positions, kinds, p);
      const law = p.predicted;
      const own = learner.find((r) => sameStep(r, p) && r.form === formOf(kind));
      const factor = law === undefined ? undefined : scaled(p.estimate, 1 / law);
      return {
        series: p.series,
        kind,
        shape: p.shape,
        ell: p.ell,
        law,
        data: p.estimate,
        factor,
        pass: pass?.estimate,
        passBeyond: pass?.beyond ?? false,
        learner: own?.estimate,
      };
    });
}

const sameStep = (a: { shape: Curve['shape']; ell: number }, b: { shape: Curve['shape']; ell: number }): boolean =>
  a.ell === b.ell && shapeName(a.shape) === shapeName(b.shape);

/** The same step in one pass, of the first series of the same model. */
function passOf<Row extends PositionRow>(
  rows: readonly Row[],
  kinds: ReadonlyMap<string, ModelKind>,
  row: PositionRow,
): Row | undefined {
  return rows.find((r) => r.online && kinds.get(r.series) === kinds.get(row.series) && sameStep(r, row));
}

const scaled = (e: Estimate, factor: number): Estimate => ({
  ...e,
  value: e.value * factor,
  low: e.low * factor,
  high: e.high * factor,
});

export function dataPowers(
  exponents: readonly ExponentRow[],
  kinds: ReadonlyMap<string, ModelKind>,
  learner: readonly LearnerRow[],
): DataPower[] {
  const rows = exponents.filter((e) => !e.online);
  return groupBy(rows, (e) => `${e.series}|${e.ell}`).map((group) => {
    // If some sizes give only bounds, the row of the other sizes.
    const { series, ell, estimate: data, reached, shapes } = group.find((e) => e.reached) ?? group[0];
    const kind = kinds.get(series)!;
    const law = predictedPower(kind, ell);
    const online = exponents.filter((e) => e.online && kinds.get(e.series) === kind && e.ell === ell);
    const pass = (online.find((e) => e.reached?.join() === reached?.join()) ?? online[0])?.estimate;
    const points = learner
      .filter(
        (r) => r.ell === ell && r.form === formOf(kind) && shapes.some((s) => shapeName(s) === shapeName(r.shape)),
      )
      .map(
        (r): PowerPoint => ({
          m: r.shape.m,
          offset: -Math.log(complexityScale(r.shape, ell)),
          cells: [{ units: r.units, coefficient: 1 }],
        }),
      );
    const own = exponentOf(points);
    return { series, kind, ell, law, data, reached, pass, learner: own, verdict: verdictOf(data, law, own) };
  });
}

function verdictOf(data: Estimate, law: number | undefined, learner: Estimate | undefined): DataVerdict {
  if (data.bound !== 'none' || Number.isNaN(data.low)) {
    const excluded = law !== undefined && (law < data.low || law > data.high);
    return excluded && !learner ? 'neither' : 'open';
  }
  const byLaw = law !== undefined && law >= data.low && law <= data.high;
  const byLearner = learner !== undefined && agree(data, learner);
  return byLaw && byLearner ? 'both' : byLaw ? 'law' : byLearner ? 'correlations alone' : 'neither';
}

/** Whether the difference of two estimates is within their intervals. */
function agree(a: Estimate, b: Estimate): boolean {
  if (b.bound !== 'none') return false;
  const half = (e: Estimate) => (Number.isNaN(e.low) ? 0 : (e.high - e.low) / 2);
  return Math.abs(a.value - b.value) <= Math.hypot(half(a), half(b));
}
