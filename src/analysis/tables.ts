import { shapeName } from './curves.js';
import type { Analysis } from './results.js';
import type { Estimate } from './statistics.js';

/** A flat table. Every row has the columns of the first; null where there is nothing. */
export interface Table {
  name: string;
  about: string;
  rows: Record<string, string | number | null>[];
}

/** All results as flat tables, for CSV and Parquet. */
export function tablesOf(a: Analysis): Table[] {
  const shape = (s: Analysis['curves'][0]['shape']) => ({ v: s.v, n: s.n, m: s.m, s: s.s, L: s.L });
  const estimate = (e: Estimate) => ({ value: e.value, low: e.low, high: e.high, bound: e.bound, units: e.units });
  const grammars = new Map([...new Set(a.curves.map((c) => c.grammar))].map((g, i) => [g, i + 1]));
  const tables: Table[] = [
    {
      name: 'findings',
      about: 'every comparison of theory and measurement, with 95% intervals',
      rows: a.findings.map((f) => ({
        section: f.section,
        quantity: f.quantity,
        where: f.where,
        predicted: f.predicted ?? null,
        ...estimate(f.measured),
        verdict: f.verdict,
        comment: f.comment.trim(),
      })),
    },
    {
      name: 'runs',
      about: 'the runs behind it',
      rows: a.runs.map(({ shape: s, floor, experiment, ...run }) => ({
        ...run,
        floor: floor ?? null,
        ...shape(s),
        experiment: JSON.stringify(experiment),
      })),
    },
    {
      name: 'curves',
      about: 'test loss in nats and accuracy of every replica against training samples P',
      rows: a.curves.flatMap((c) =>
        c.points.map((p) => ({
          series: c.series,
          ...shape(c.shape),
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
      rows: [...new Map(a.curves.map((c) => [c.grammar, c])).values()].flatMap((c) =>
        (c.plateaus ?? []).map((H, ell) => ({ ...shape(c.shape), grammar: grammars.get(c.grammar)!, ell, H })),
      ),
    },
    {
      name: 'means',
      about: 'learning curves averaged over grammars and replicas',
      rows: a.means.flatMap((c) => c.points.map((p) => ({ series: c.series, ...shape(c.shape), ...p }))),
    },
    {
      name: 'positions',
      about: 'P_ell per series and grammar size; law: the predicted value without its prefactor',
      rows: a.positions.map((p) => ({
        series: p.series,
        ...shape(p.shape),
        ell: p.ell,
        law: p.predicted ?? null,
        ...estimate(p.estimate),
        reached: p.reached,
        curves: p.curves,
      })),
    },
    {
      name: 'data',
      about: 'P_ell in data, beside the law, one pass over the same grammars, and the learner of correlations',
      rows: a.data.map((r) => ({
        series: r.series,
        ...shape(r.shape),
        ell: r.ell,
        law: r.law ?? null,
        ...estimate(r.data),
        onePass: r.pass?.value ?? null,
        onePassBound: r.pass?.bound ?? null,
        beyondLanguage: String(r.passBeyond),
        correlationsAlone: r.learner?.value ?? null,
        correlationsBound: r.learner?.bound ?? null,
      })),
    },
    {
      name: 'data_powers',
      about: 'how P_ell in data grows with m, and which references its interval allows',
      rows: a.dataPowers.map((r) => ({
        series: r.series,
        ell: r.ell,
        law: r.law ?? null,
        ...estimate(r.data),
        onePass: r.pass?.value ?? null,
        correlationsAlone: r.learner?.value ?? null,
        verdict: r.verdict,
      })),
    },
    {
      name: 'learner',
      about:
        'P at which correlations with the last token alone find half of the hidden symbols (adjusted Rand index over its ceiling)',
      rows: a.learner.map((r) => ({
        ...shape(r.shape),
        ell: r.ell,
        form: r.form,
        ceiling: r.ceiling,
        ...estimate(r.estimate),
      })),
    },
    {
      name: 'control',
      about: 'P_ell in data with another rate, batch or width, over that of the unchanged network on the same grammars',
      rows: a.control.map((r) => ({
        kind: r.kind,
        ...shape(r.shape),
        change: r.change,
        ell: r.ell,
        ...estimate(r.ratio),
      })),
    },
    {
      name: 'levels',
      about: 'one pass, level against level: the power of m in P_(ell+1) / P_ell of one grammar',
      rows: a.levels.map((r) => ({
        series: r.series,
        ...shape(r.shape),
        ell: r.ell,
        from: r.from,
        predicted: r.predicted ?? null,
        ...estimate(r.estimate),
      })),
    },
    {
      name: 'ratios',
      about: 'P_ell of a series over that of the CNN',
      rows: a.ratios.map((r) => ({
        numerator: r.numerator,
        denominator: r.denominator,
        ...shape(r.shape),
        ell: r.ell,
        predicted: r.predicted ?? null,
        ...estimate(r.estimate),
        paired: String(r.paired),
      })),
    },
    {
      name: 'batches',
      about: 'P_ell against batch size, where series differ in nothing else',
      rows: a.batches.flatMap((b) =>
        b.points.map((p) => ({
          series: b.series,
          ...shape(b.shape),
          ell: b.ell,
          batch: p.batch,
          ...estimate(p.estimate),
        })),
      ),
    },
    {
      name: 'correlations',
      about: 'rms covariance of the last token with tokens at each level',
      rows: a.correlations.flatMap((r) => [
        {
          ...shape(r.shape),
          ell: r.ell,
          kind: 'exact',
          samples: null,
          rms: r.exact.value,
          low: r.exact.low,
          high: r.exact.high,
          refined: r.refined,
          simple: r.simple,
          floor: null,
        },
        ...r.empirical.map((e) => ({
          ...shape(r.shape),
          ell: r.ell,
          kind: 'sampled',
          samples: e.samples,
          rms: e.rms,
          low: null,
          high: null,
          refined: r.refined,
          simple: r.simple,
          floor: e.floor,
        })),
      ]),
    },
    {
      name: 'invariance',
      about: 'ratio (1 - S_rule) / (1 - S_symbol) against training samples P',
      rows: a.invarianceCurves.flatMap((c) =>
        c.points.map((p) => ({
          series: c.series,
          ...shape(c.shape),
          grammar: grammars.get(c.grammar)!,
          layer: c.layer,
          level: c.level,
          ...p,
        })),
      ),
    },
    {
      name: 'transitions',
      about: 'P at which a layer becomes invariant to rules at a level (the ratio falls below one half)',
      rows: a.invariance.map((r) => ({
        series: r.series,
        size: shapeName(r.shape),
        layer: r.layer,
        level: r.level,
        ...estimate(r.estimate),
        reached: r.reached,
        curves: r.curves,
      })),
    },
  ];
  return tables.filter((t) => t.rows.length);
}

/** RFC 4180, with a header. Numbers that are not finite are empty, infinities `Infinity`. */
export function toCsv({ rows }: Table): string {
  const columns = Object.keys(rows[0]);
  const cell = (value: string | number | null) => {
    if (value === null || Number.isNaN(value)) return '';
    const text = String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows.map((row) => columns.map((c) => row[c]))]
    .map((line) => line.map(cell).join(','))
    .join('\r\n')
    .concat('\r\n');
}

/** Parquet: text columns as strings, the others as doubles, null where a table has nothing. */
export async function toParquet({ rows }: Table): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const columnData = Object.keys(rows[0]).map((name) => {
    const data = rows.map((row) => row[name] ?? null);
    const type = data.some((x) => typeof x === 'string') ? ('STRING' as const) : ('DOUBLE' as const);
    return { name, data, type, nullable: true };
  });
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}
