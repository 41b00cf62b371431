import { csvLine } from '../core/csv.js';
import type { GrammarShape } from '../core/rules.js';
import type { Analysis, Base, Finding } from './results.js';
import { positionsOf } from './staircase.js';
import type { Estimate } from './statistics.js';

/** A flat table. Every row has the columns of the first; null if there is no value. */
export interface Table {
  name: string;
  about: string;
  rows: Record<string, string | number | null>[];
}

export const shapeColumns = ({ v, n, m, s, L }: GrammarShape) => ({ v, n, m, s, L });
export const estimateColumns = ({ value, low, high, bound, units }: Estimate) => ({ value, low, high, bound, units });
/** Grammars by number, in the order of the curves. */
export const grammarNumbers = ({ curves }: Pick<Base, 'curves'>): Map<string, number> =>
  new Map([...new Set(curves.map((c) => c.grammar))].map((g, i) => [g, i + 1]));

/** All results as flat tables, for CSV and Parquet. */
export const tablesOf = ({ tables }: Pick<Analysis, 'tables'>): Table[] => tables;

/** The tables that figures share; the others are in the files of the figures. */
export function sharedTables(a: Base, findings: readonly Finding[]): Table[] {
  const grammars = grammarNumbers(a);
  return [
    {
      name: 'findings',
      about: 'every comparison of theory and measurement, with 95% intervals',
      rows: findings.map((f) => ({
        section: f.section,
        quantity: f.quantity,
        where: f.where,
        predicted: f.predicted ?? null,
        ...estimateColumns(f.measured),
        verdict: f.verdict,
        comment: f.comment.trim(),
      })),
    },
    {
      name: 'runs',
      about: 'the runs of this report',
      rows: a.runs.map(({ shape: s, floor, experiment, ...run }) => ({
        ...run,
        floor: floor ?? null,
        ...shapeColumns(s),
        experiment: JSON.stringify(experiment),
      })),
    },
    {
      name: 'curves',
      about: 'test loss in nats and accuracy of every replica against training sentences P',
      rows: a.curves.flatMap((c) =>
        c.points.map((p) => ({
          series: c.series,
          ...shapeColumns(c.shape),
          grammar: grammars.get(c.grammar)!,
          replica: c.replica,
          samples: p.samples,
          loss: p.loss,
          accuracy: p.accuracy,
          floor: c.plateaus?.at(-1) ?? null,
          excess: p.excess ?? null,
          limited: p.limited === undefined ? null : String(p.limited),
        })),
      ),
    },
    {
      name: 'plateaus',
      about: 'H(ell) of every grammar, in nats',
      rows: [...new Map(a.curves.filter((c) => c.plateaus).map((c) => [c.grammar, c])).values()].flatMap((c) =>
        (c.plateaus ?? []).map((H, ell) => ({ ...shapeColumns(c.shape), grammar: grammars.get(c.grammar)!, ell, H })),
      ),
    },
    {
      name: 'means',
      about: 'learning curves averaged over grammars and replicas',
      rows: a.means.flatMap((c) => c.points.map((p) => ({ series: c.series, ...shapeColumns(c.shape), ...p }))),
    },
    {
      name: 'positions',
      about: 'P_ell per series and grammar size; law: the predicted value without its prefactor',
      rows: a.positions.map((p) => ({
        series: p.series,
        ...shapeColumns(p.shape),
        ell: p.ell,
        law: p.predicted ?? null,
        ...estimateColumns(p.estimate),
        reached: p.reached,
        curves: p.curves,
      })),
    },
    {
      name: 'curvePositions',
      about:
        'P_ell of every curve. In data (those of a search, for example): in distinct sentences, on the curve of best losses, with the 95% interval of the crossing. One pass: in sentences seen',
      rows: a.curves.flatMap((c) =>
        positionsOf(c).map(({ ell, logSamples, low, high, bound }) => ({
          series: c.series,
          counts: c.online ? 'one pass' : 'in data',
          ...shapeColumns(c.shape),
          grammar: grammars.get(c.grammar)!,
          replica: c.replica,
          ell,
          P: Math.exp(logSamples),
          low: low === undefined ? null : Math.exp(low),
          high: high === undefined ? null : Math.exp(high),
          bound,
        })),
      ),
    },
  ];
}

/** RFC 4180, with a header. NaN is empty, infinities are `Infinity`. */
export function toCsv({ rows }: Table): string {
  const columns = Object.keys(rows[0]);
  return [columns, ...rows.map((row) => columns.map((c) => row[c]))].map(csvLine).join('');
}

/** Columns of whole numbers, in any table. */
const wholeNumbers = new Set([
  ...['v', 'n', 'm', 's', 'L', 'ell', 'grammar', 'layer', 'level', 'step', 'batch', 'replicas'],
  ...['reached', 'curves', 'units', 'sentences', 'samples', 'elapsedMs'],
]);

/** Parquet: text columns as strings, counts as whole numbers, the others as doubles; null for empty cells. */
export async function toParquet({ rows }: Table): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const columnData = Object.keys(rows[0]).map((name) => {
    const data = rows.map((row) => row[name] ?? null);
    if (data.some((x) => typeof x === 'string')) return { name, data, type: 'STRING' as const, nullable: true };
    const whole = wholeNumbers.has(name) && data.every((x) => x === null || Number.isSafeInteger(x));
    if (!whole) return { name, data, type: 'DOUBLE' as const, nullable: true };
    return { name, data: data.map((x) => (x === null ? null : BigInt(x))), type: 'INT64' as const, nullable: true };
  });
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}
