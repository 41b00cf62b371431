import { modelFacts } from '../core/modelFacts.js';
import { refinedMeanSquare } from '../theory/index.js';
import { type CollapseRow, lawNames } from './collapse.js';
import { type ModelKind, shapeName } from './curves.js';
import { type ExponentRow, overSizes, powerOfLaw, predictedPower } from './exponents.js';
import { round, showEstimate, showNumber, showPower } from './format.js';
import type { InvarianceRow } from './invariance.js';
import type { Finding, Results, Verdict } from './results.js';
import { groupBy } from './staircase.js';
import type { Estimate } from './statistics.js';

export function compare(predicted: number | undefined, { low, high, value, bound }: Estimate): Verdict {
  if (predicted === undefined || Number.isNaN(value)) return '-';
  if (bound === 'unknown') return 'open';
  if (bound === 'lower') return predicted < (Number.isNaN(low) ? value : low) ? 'disagrees' : 'open';
  if (bound === 'upper') return predicted > (Number.isNaN(high) ? value : high) ? 'disagrees' : 'open';
  if (Number.isNaN(low)) return 'no interval';
  return predicted >= low && predicted <= high ? 'agrees' : 'disagrees';
}

/** Every comparison with theory, in one table. */
export function findingsOf(r: Results): Finding[] {
  const kind = (series: string) => r.kinds.get(series)!;
  const findings: Finding[] = [];
  const add = (
    section: Finding['section'],
    quantity: string,
    where: string,
    predicted: number | undefined,
    measured: Estimate,
    comment = '',
    verdict = compare(predicted, measured),
  ) =>
    findings.push({
      section,
      quantity,
      where,
      predicted,
      measured,
      verdict,
      comment: comment || direction(predicted, measured),
    });

  for (const row of r.exponents) {
    const quantity = `power of m in P_${row.ell}${overSizes(row)}`;
    const beside = row.online && hasData(r, kind(row.series));
    add(
      row.online ? 'exponent' : 'data',
      quantity,
      row.series,
      row.predicted,
      row.estimate,
      beside ? COUNTS_STEPS : row.online ? otherLaw(kind(row.series), row.ell, row.estimate) : references(r, row),
      beside ? '-' : undefined,
    );
  }
  for (const row of r.levels)
    add(
      'level',
      `power of m in P_${row.ell + 1} / P_${row.ell}, from ${row.from === 'loss' ? 'the loss' : 'invariance'}`,
      `${row.series}, ${shapeName(row.shape)}`,
      row.predicted,
      row.estimate,
    );
  for (const row of r.ratios)
    add(
      'ratio',
      `P_${row.ell}(${row.numerator}) / P_${row.ell}(${row.denominator})`,
      shapeName(row.shape),
      row.predicted,
      row.estimate,
      'predicted up to a factor that does not depend on m',
      '-',
    );
  for (const row of r.ratioExponents)
    add(
      'ratio',
      `power of m in the ratio of P_${row.ell}${overSizes(row)}`,
      row.series,
      row.predicted,
      row.estimate,
      row.online && r.data.length ? COUNTS_STEPS : '',
      row.online && r.data.length ? '-' : undefined,
    );
  for (const row of r.scaling) {
    const where = `${row.series}, ${shapeName(row.shape)}`;
    if (row.curve)
      add(
        'scaling',
        'alpha, slope of the curve',
        where,
        row.predicted,
        row.curve,
        'no test: predicted for many levels, between plateaus of few levels any slope is a mixture',
        '-',
      );
    if (row.steps)
      add(
        'scaling',
        'alpha, slope through the steps',
        where,
        row.predictedFinite,
        row.steps,
        row.online && r.data.length
          ? COUNTS_STEPS
          : "predicted for this depth's own steps at P_ell, with one prefactor for all steps",
        row.online && r.data.length ? '-' : undefined,
      );
  }
  for (const row of r.collapse) {
    const other = row.law === 'cnn' ? 'transformer' : 'cnn';
    const same = Math.abs(row.byLaw[other] - row.byLaw[row.law]) < 1e-9;
    const best = same || row.byLaw[row.law] < row.byLaw[other];
    const comment =
      `spread of P between sizes: factor ${factor(row.raw)} raw, ${factor(row.byLaw[row.law])} over the ${lawNames[row.law]} law` +
      (same ? ' (both laws agree here)' : `, ${factor(row.byLaw[other])} over the ${lawNames[other]} law`);
    const measured: Estimate = {
      value: row.score,
      low: row.low,
      high: row.high,
      bound: 'none',
      units: row.shapes.length,
    };
    const beside = row.online && r.data.length > 0;
    const verdict = beside ? '-' : best ? halved(row) : 'disagrees';
    add(
      'collapse',
      `collapse of step ${row.ell} (0 perfect, 1 nothing gained)`,
      row.series,
      0,
      measured,
      comment,
      verdict,
    );
  }
  for (const row of r.batches)
    if (row.slope && row.slopeBetween)
      add(
        'batch',
        `slope of ln P_${row.ell} against ln batch, ${row.slopeBetween.join(' to ')}`,
        `${row.series}, ${shapeName(row.shape)}`,
        0,
        row.slope,
        `${share(row.slope.value)}; least P_${row.ell} ${showEstimate(row.least!)} at batch ${row.leastBatch}`,
      );
  for (const row of r.batchExponents)
    add(
      'batch',
      `power of m in the least P_${row.ell} over batch sizes`,
      row.series,
      row.predicted,
      row.estimate,
      otherLaw(r.batches.find((b) => b.series === row.series)!.kind, row.ell, row.estimate),
    );
  for (const row of r.positions) {
    const law = row.predicted;
    const prefactor = law ? `prefactor ${round(row.estimate.value / law)}` : '';
    const batches = [
      ...new Set(
        r.curves
          .filter((c) => c.series === row.series && shapeName(c.shape) === shapeName(row.shape) && c.online)
          .map((c) => c.batch),
      ),
    ];
    const steps =
      row.online && batches.length === 1
        ? `; ${showNumber(row.estimate.value / batches[0])} steps of ${batches[0]}`
        : '';
    const missing = row.reached < row.curves ? `; reached by ${row.reached} of ${row.curves} runs` : '';
    const beyond = row.online && row.beyond ? '; more than a tenth of the language' : '';
    const comment = `${prefactor}${steps}${missing}${beyond}`.replace(/^; /, '');
    add('position', `P_${row.ell}`, `${row.series}, ${shapeName(row.shape)}`, law, row.estimate, comment || ' ', '-');
  }
  for (const row of r.invarianceExponents)
    add(
      'invariance',
      `power of m, layer ${row.layer} invariant at level ${row.level}`,
      row.series,
      row.predicted,
      row.estimate,
    );
  for (const layers of groupBy(r.invariance, (row) => `${row.series}|${shapeName(row.shape)}|${row.level}`)) {
    const first = earliest(layers);
    if (!first?.overStep) continue;
    const { series, shape, level } = first;
    add(
      'invariance',
      `level ${level} invariant at P / P_${level + 1} =`,
      `${series}, ${shapeName(shape)}`,
      undefined,
      first.overStep,
      `first in layer ${first.layer}; theory: of order 1 and the same for all m. ${otherLayers(layers, first)}`,
      '-',
    );
  }
  for (const row of r.correlations)
    add(
      'correlation',
      `rms covariance, common ancestor at level ${row.ell}`,
      shapeName(row.shape),
      Math.sqrt(refinedMeanSquare(row.shape, row.ell)),
      row.exact,
      `simple law ${showNumber(row.simple)}`,
    );
  return findings;
}

const COUNTS_STEPS = 'one pass counts steps too: no test of a law about data, see the value in data';

const hasData = ({ data }: Results, kind: ModelKind) => data.some((row) => row.kind === kind);

/** How a power in data stands to the law and to the learner of correlations. */
function references({ dataPowers }: Results, { series, ell, estimate }: ExponentRow): string {
  const row = dataPowers.find((p) => p.series === series && p.ell === ell && p.data === estimate);
  if (!row) return '';
  const learner = row.learner ? `; correlations alone: ${showPower(row.learner)}` : '';
  const pass = row.pass ? `; one pass: ${showPower(row.pass)}` : '';
  const verdict = row.verdict === 'law' ? 'the law alone' : row.verdict;
  return `${row.verdict === 'open' ? 'open' : `its interval allows ${verdict === 'neither' ? 'neither reference' : verdict}`}${learner}${pass}`;
}

/** Half of the spread or more must go, with 95% confidence where there is an interval. */
const halved = ({ score, low, high }: CollapseRow): Verdict =>
  Number.isNaN(low) ? (score < 0.5 ? 'agrees' : 'disagrees') : high < 0.5 ? 'agrees' : low < 0.5 ? 'open' : 'disagrees';

const share = (slope: number) =>
  slope > 0.8 ? 'steps limit, not data' : slope < 0.2 ? 'data limits, not steps' : 'both steps and data limit';

/** Of the layers, the one that becomes invariant first. */
export function earliest(layers: readonly InvarianceRow[]): InvarianceRow | undefined {
  const reached = layers.filter((row) => row.reached > 0 && row.overStep);
  return reached.length ? reached.reduce((a, b) => (b.estimate.value < a.estimate.value ? b : a)) : undefined;
}

function otherLayers(layers: readonly InvarianceRow[], first: InvarianceRow): string {
  const others = layers.filter((row) => row !== first);
  const late = others.filter((row) => row.overStep?.bound === 'none');
  const never = others.filter((row) => !late.includes(row)).map((row) => row.layer);
  return [
    late.map((row) => `layer ${row.layer} at ${showNumber(row.overStep!.value)}`).join(', '),
    never.length ? `not in all runs: layer ${never.join(', ')}` : '',
  ]
    .filter(Boolean)
    .join('; ');
}

/** Whether the law of the other family is excluded too: an interval that holds both says little. */
function otherLaw(kind: ModelKind, ell: number, estimate: Estimate): string {
  const family = modelFacts(kind).family;
  if (!family) return 'no law is known';
  const other = family === 'cnn' ? 'transformer' : 'cnn';
  const power = powerOfLaw(other, ell);
  if (power === predictedPower(kind, ell)) return 'both laws agree here';
  const verdict = compare(power, estimate);
  const word = verdict === 'disagrees' ? 'excluded' : verdict === 'no interval' ? 'not tested' : 'not excluded';
  return `the ${lawNames[other]} law (${power}) is ${word}`;
}

function direction(predicted: number | undefined, estimate: Estimate): string {
  if (compare(predicted, estimate) !== 'disagrees') return '';
  return estimate.value > predicted! ? 'larger than predicted' : 'smaller than predicted';
}

const factor = (logSpread: number) => Math.exp(logSpread).toFixed(2);
