import { refinedMeanSquare } from '../theory/index.js';
import { type CollapseRow, lawNames } from './collapse.js';
import { families, type ModelKind, shapeName } from './curves.js';
import { type ExponentRow, overSizes, predictedPower } from './exponents.js';
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
    add(
      'exponent',
      quantity,
      row.series,
      row.predicted,
      row.estimate,
      otherLaw(kind(row.series), row.ell, row.estimate),
    );
  }
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
    add('ratio', `power of m in the ratio of P_${row.ell}${overSizes(row)}`, row.series, row.predicted, row.estimate);
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
        "predicted for this depth's own steps at P_ell, with one prefactor for all steps",
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
    const verdict = best ? halved(row) : 'disagrees';
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
    const steps = batches.length === 1 ? `; ${showNumber(row.estimate.value / batches[0])} steps of ${batches[0]}` : '';
    const missing = row.reached < row.curves ? `; reached by ${row.reached} of ${row.curves} runs` : '';
    const comment = `${prefactor}${steps}${missing}`.replace(/^; /, '');
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
  const family = families[kind];
  if (!family) return 'no law is known';
  const other = family === 'cnn' ? 'transformer' : 'cnn';
  const power = predictedPower(family === 'cnn' ? 'mla' : 'hcnn', ell)!;
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

/** Five lines for the terminal and the head of the report. */
export function summaryOf(r: Results, findings: readonly Finding[]): string[] {
  const lines: string[] = [];
  const adapters = [...new Set(r.runs.map((run) => run.adapter).filter(Boolean))];
  const grammars = new Set(r.curves.map((c) => c.grammar)).size;
  lines.push(
    `${r.runs.length} runs (${[...r.kinds.keys()].join('; ') || 'none with evaluations'}), ${r.curves.length} curves on ${grammars} grammars` +
      (adapters.length ? `, trained on ${adapters.join(' and ')}` : ''),
  );
  const top = telling(r.ratios, (x) => x.numerator);
  const ratios = r.ratios.filter((x) => x.ell === top);
  const room = r.batchExponents.length ? 1 : 2; // five lines in all
  for (const name of [...new Set(ratios.map((x) => x.numerator))].slice(-room)) {
    const own = ratios.filter((x) => x.numerator === name);
    const power = best(r.ratioExponents.filter((x) => x.ell === top && x.series.startsWith(`${name} / `)));
    lines.push(
      `P_${top}(${name}) / P_${top}(${own[0].denominator}): ${own.map((x) => `${sizeLabel(r, x.shape)} ${showEstimate(x.estimate)}`).join(', ')}` +
        (power ? `; grows like ${powerText(power)}` : ''),
    );
  }
  const step = telling(r.positions, (x) => x.series);
  const powers = [...new Set(r.exponents.map((x) => x.series))]
    .filter((series) => hasLargestBatch(r, series))
    .flatMap((series) => best(r.exponents.filter((x) => x.series === series && x.ell === step)) ?? []);
  if (powers.length)
    lines.push(`P_${step} grows like ${powers.map((x) => `${powerText(x)} for ${x.series}`).join(', ')}`);
  const atBest = r.batchExponents.filter((x) => x.estimate.bound !== 'unknown').slice(-3);
  if (atBest.length)
    lines.push(
      `with every size at its best batch size: ${atBest.map((x) => `P_${x.ell} of ${x.series} ${powerText(x)}`).join(', ')}`,
    );
  const count = (v: Verdict) => findings.filter((f) => f.verdict === v).length;
  const tested = findings.filter((f) => f.verdict !== '-').length;
  const problems = r.notes.length ? `; ${r.notes.length} notes in the report` : '';
  lines.push(
    `of ${tested} comparisons with theory ${count('agrees')} agree, ${count('disagrees')} disagree, ${count('open')} are open (bounds)${count('no interval') ? `, ${count('no interval')} have no interval` : ''}${problems}`,
  );
  return lines;
}

/** The deepest step that every series took at two sizes at least; the deepest there is if none was. */
function telling<T extends { ell: number; shape: Results['curves'][0]['shape']; estimate: Estimate }>(
  rows: readonly T[],
  series: (row: T) => string,
): number {
  const names = new Set(rows.map(series));
  const ells = [...new Set(rows.map((x) => x.ell))].sort((a, b) => b - a);
  const taken = (ell: number, name: string) =>
    new Set(
      rows.filter((x) => x.ell === ell && series(x) === name && x.estimate.bound === 'none').map((x) => x.shape.m),
    ).size;
  return ells.find((ell) => [...names].every((name) => taken(ell, name) > 1)) ?? ells[0] ?? 0;
}

/** Of series that differ in batch size only, the one with the largest speaks for them. */
function hasLargestBatch({ curves }: Results, series: string): boolean {
  const own = curves.find((c) => c.series === series)!;
  return !curves.some((c) => c.anyBatch === own.anyBatch && c.batch > own.batch && c.series !== series);
}

/** Rather an exponent of fewer sizes than a bound. */
const best = (rows: readonly ExponentRow[]) => rows.find((x) => x.reached) ?? rows[0];

const powerText = (x: Pick<ExponentRow, 'ell' | 'estimate' | 'predicted' | 'reached'>) =>
  `${showPower(x.estimate)}${overSizes(x, ' over ')} (theory m^${x.predicted ?? '?'}: ${compare(x.predicted, x.estimate)})`;

const sizeLabel = (r: Results, shape: Results['curves'][0]['shape']) =>
  new Set(r.curves.map((c) => c.shape.v)).size > 1 ? `v=${shape.v} m=${shape.m}` : `m=${shape.m}`;
