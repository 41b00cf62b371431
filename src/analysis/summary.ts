/** The first screen of the report and the last lines in the terminal: at most five sentences. */
import { counted } from '../core/counted.js';
import { modelFacts } from '../core/modelFacts.js';
import { type ModelKind, shapeName } from './curves.js';
import type { DataPower } from './data.js';
import { type ExponentRow, overSizes } from './exponents.js';
import { compare } from './findings.js';
import { isTooWide, showEstimate, showPower } from './format.js';
import type { Analysis, Finding, Results, Verdict } from './results.js';
import { groupBy } from './staircase.js';
import type { Estimate } from './statistics.js';
import type { StoredResults } from './stored.js';

export function summaryOf(r: Results, findings: readonly Finding[]): string[] {
  return r.dataPowers.length ? dataSummary(r) : passSummary(r, findings);
}

/** The first three sentences of a small scale, then two from the stored results at the paper's scale. */
export function withStored(analysis: Analysis, stored: StoredResults): Analysis {
  if (!stored.summary.length) return analysis;
  const said = `At the paper's scale (stored: ${stored.made}):`;
  const paper = stored.summary.slice(0, 2).map((line) => `${said} ${line}`);
  return { ...analysis, stored, summary: [...analysis.summary.slice(0, 3), ...paper] };
}

/** Curves in data: which laws apply, what one pass costs, the ratios, what is still open. */
function dataSummary(r: Results): string[] {
  const told: ModelKind[] = ['hcnn', 'mla']; // the others are described by their ratio to the CNN
  const lines = told.map((kind) =>
    lawSentence(
      kind,
      r.dataPowers.filter((p) => p.kind === kind),
    ),
  );
  return [...lines, passSentence(r), ratioSentence(r), openSentence(r)].filter((line) => line !== '');
}

const NEAR = 0.5; // of a power of m: called near its law if its interval is narrow enough to exclude it

function lawSentence(kind: ModelKind, powers: readonly DataPower[]): string {
  const known = powers.filter((p) => p.data.bound === 'none' && p.law !== undefined && p.data.high > p.data.low);
  if (!known.length) return '';
  const holds = known.filter((p) => p.data.low <= p.law! && p.data.high >= p.law!);
  const near = known.filter((p) => !holds.includes(p) && Math.abs(p.data.value - p.law!) <= NEAR);
  const off = known.filter((p) => !holds.includes(p) && !near.includes(p));
  const sizes = [...new Set(known.map((p) => (p.reached ? `m = ${p.reached[0]} to ${p.reached[1]}` : '')))];
  const one = sizes.length === 1;
  const text = (p: DataPower) => {
    const over = !one && p.reached ? `, m = ${p.reached[0]} to ${p.reached[1]}` : '';
    return `P_${p.ell} (${showPower(p.data)}, law m^${p.law}${over})`;
  };
  const parts = [
    holds.length ? `follows its law in ${list(holds.map(text))}` : '',
    near.length ? `comes near its law in ${list(near.map(text))}` : '',
    off.length ? `does not follow its law in ${list(off.map(text))}` : '',
  ].filter(Boolean);
  return `Counted in distinct sentences${one && sizes[0] ? `, ${sizes[0]}` : ''}, the ${modelFacts(kind).title} (${kind}) ${list(parts)}.`;
}

/** Two digits. */
const brief = (x: number): string => String(Number(x.toPrecision(2)));

const list = (parts: readonly string[]): string =>
  parts.length < 2 ? (parts[0] ?? '') : `${parts.slice(0, -1).join(', ')} and ${parts[parts.length - 1]}`;

function passSentence(r: Results): string {
  const rows = r.data.filter((row) => row.pass?.bound === 'none' && row.data.bound === 'none');
  const [first] = groupBy(rows, (row) => row.kind);
  if (!first) return '';
  const times = first.map((row) => row.pass!.value / row.data.value).sort((a, b) => a - b);
  const { kind } = first[0];
  const powers = r.dataPowers.filter((p) => p.kind === kind && p.ell > 1 && p.pass?.bound === 'none');
  const beyond = [...new Set(rows.filter((row) => row.passBeyond).map((row) => shapeName(row.shape)))];
  return (
    `In one pass over fresh sentences the ${modelFacts(kind).title} needs ${brief(times[0])} to ${brief(times[times.length - 1])} times as many, since the number of optimiser steps limits there` +
    (powers.length
      ? `, and P_ell grows more slowly: ${list(powers.map((p) => `P_${p.ell} like m^${p.pass!.value.toFixed(1)}`))}`
      : '') +
    (beyond.length ? `; at ${list(beyond)} some of these are more than a tenth of the language` : '') +
    '.'
  );
}

function ratioSentence(r: Results): string {
  const inData = r.ratios.filter((row) => !row.online && row.estimate.bound === 'none' && row.ell > 1);
  const steps = (kind: ModelKind) =>
    groupBy(
      inData.filter((row) => r.kinds.get(row.numerator) === kind),
      (row) => String(row.ell),
    ).map((rows) => {
      const [only] = rows;
      const predicted = rows.length > 1 && only.ell > 2 ? `, predicted growth m^${only.ell - 2}` : '';
      const times = list(rows.map((row) => brief(row.estimate.value)));
      return `${times} at step ${only.ell} (m = ${list(rows.map((row) => String(row.shape.m)))}${predicted})`;
    });
  const parts = (['mla', 'hlcn'] as const).flatMap((kind) => {
    const own = steps(kind);
    return own.length ? [`the ${modelFacts(kind).title} needs ${list(own)}`] : [];
  });
  return parts.length ? `In units of the CNN's distinct sentences ${parts.join('; ')}.` : '';
}

function openSentence(r: Results): string {
  const bounds = r.data.filter((row) => row.data.bound !== 'none' && row.data.bound !== 'unknown');
  if (!bounds.length) return '';
  const names = groupBy(bounds, (row) => `${row.kind}|${shapeName(row.shape)}`).map(
    (rows) =>
      `${rows[0].kind} P_${rows.map((row) => row.ell).join(', P_')} at v=${rows[0].shape.v} m=${rows[0].shape.m}`,
  );
  const shown = names.slice(0, 4);
  const more = names.length - shown.length;
  return `Only bounds are known for ${shown.join('; ')}${more ? ` and ${more} more` : ''}.`;
}

/** One pass alone: five lines. */
function passSummary(r: Results, findings: readonly Finding[]): string[] {
  const lines: string[] = [];
  const adapters = [...new Set(r.runs.map((run) => run.adapter).filter(Boolean))];
  const grammars = new Set(r.curves.map((c) => c.grammar)).size;
  lines.push(
    `${counted(r.runs.length, 'run')} (${[...r.kinds.keys()].join('; ') || 'none with evaluations'}), ${counted(r.curves.length, 'curve')} on ${counted(grammars, 'grammar')}` +
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
        (power && !isTooWide(power.estimate) ? `; grows like ${powerText(power)}` : ''),
    );
  }
  const step = telling(r.positions, (x) => x.series);
  const powers = [...new Set(r.exponents.map((x) => x.series))]
    .filter((series) => hasLargestBatch(r, series))
    .flatMap((series) => best(r.exponents.filter((x) => x.series === series && x.ell === step)) ?? [])
    .filter(({ estimate }) => !isTooWide(estimate));
  if (powers.length)
    lines.push(`P_${step} grows like ${powers.map((x) => `${powerText(x)} for ${x.series}`).join(', ')}`);
  const atBest = r.batchExponents.filter((x) => x.estimate.bound !== 'unknown').slice(-3);
  if (atBest.length)
    lines.push(
      `with every size at its best batch size: ${atBest.map((x) => `P_${x.ell} of ${x.series} ${powerText(x)}`).join(', ')}`,
    );
  const count = (v: Verdict) => findings.filter((f) => f.verdict === v).length;
  const tested = findings.filter((f) => f.verdict !== '-').length;
  const problems = r.notes.length ? `; ${counted(r.notes.length, 'note')} in the report` : '';
  lines.push(
    `of ${tested} comparisons with theory ${count('agrees')} agree, ${count('disagrees')} disagree, ${count('open')} are open (bounds)${count('no interval') ? `, ${count('no interval')} have no interval` : ''}${problems}`,
  );
  return lines;
}

/** The deepest step that every series took at two sizes or more; if there is none, the deepest step. */
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

/** Of series that differ only in batch size, the one with the largest batch is described. */
function hasLargestBatch({ curves }: Results, series: string): boolean {
  const own = curves.find((c) => c.series === series)!;
  return !curves.some((c) => c.anyBatch === own.anyBatch && c.batch > own.batch && c.series !== series);
}

/** An exponent of fewer sizes is preferred to a bound. */
const best = (rows: readonly ExponentRow[]) => rows.find((x) => x.reached) ?? rows[0];

const powerText = (x: Pick<ExponentRow, 'ell' | 'estimate' | 'predicted' | 'reached'>) =>
  `${showPower(x.estimate)}${overSizes(x, ' over ')} (theory m^${x.predicted ?? '?'}: ${compare(x.predicted, x.estimate)})`;

const sizeLabel = (r: Results, shape: Results['curves'][0]['shape']) =>
  new Set(r.curves.map((c) => c.shape.v)).size > 1 ? `v=${shape.v} m=${shape.m}` : `m=${shape.m}`;
