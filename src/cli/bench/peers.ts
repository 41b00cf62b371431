/** Times of a training step of other programs, compared with ours. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { InputError } from '../../core/errors.js';
import { whyUnread } from '../readInput.js';
import type { TrainRefusal, TrainTime } from './train.js';

/** The best time of each case in one file. */
export interface Peer {
  name: string;
  times: ReadonlyMap<string, number>; // `case batch replicas` -> microseconds per step
}

type Row = TrainTime | TrainRefusal;
type Where = Pick<TrainTime, 'case' | 'batch' | 'replicas'>;

const keyOf = ({ case: name, batch, replicas }: Where) => `${name} ${batch} ${replicas}`;

/**
 * Reads `name=file` or `file`: JSON lines with case, batch, replicas and us_per_step. If a case has several lines, such as variants of a
 * program, the fastest counts; a case `NAME-gemm` is NAME written as products. Lines with an error instead are left out. @throws
 * InputError for a file that cannot be read or contains no such line.
 */
export function readPeer(text: string): Peer {
  const cut = text.indexOf('=');
  const file = cut < 0 ? text : text.slice(cut + 1);
  const name = cut < 0 ? basename(file).replace(/\.\w+$/, '') : text.slice(0, cut);
  let lines: string[];
  try {
    lines = readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    throw new InputError(`--peers ${file}: ${whyUnread(error)}; pass a readable file`);
  }
  const times = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    if (!line.trim()) continue;
    let row: Partial<TrainTime> & { error?: unknown };
    try {
      row = JSON.parse(line);
    } catch {
      throw new InputError(`--peers ${file}, line ${index + 1}: no JSON; pass one object per line`);
    }
    if (row.error !== undefined) continue;
    const { case: found, batch, replicas, us_per_step } = row;
    if (typeof found !== 'string' || ![batch, replicas].every(Number.isInteger) || !(Number(us_per_step) > 0))
      throw new InputError(
        `--peers ${file}, line ${index + 1}: expected case, batch, replicas and us_per_step, got ${line.slice(0, 80)}`,
      );
    const key = keyOf({ case: found.replace(/-gemm$/, ''), batch: batch!, replicas: replicas! });
    times.set(key, Math.min(times.get(key) ?? Infinity, us_per_step!));
  }
  if (!times.size)
    throw new InputError(`--peers ${file}: holds no time; pass lines with case, batch, replicas and us_per_step`);
  return { name, times };
}

export interface Comparison extends Where {
  precision: string;
  us_per_step: number;
  peer: string;
  peer_us_per_step: number;
  ratio: number; // of our time to theirs
}

/** Each of our times with every peer's time of the same case. */
export function comparisons(results: readonly Row[], peers: readonly Peer[]): Comparison[] {
  return results.flatMap((row) =>
    'error' in row
      ? []
      : peers.flatMap(({ name, times }) => {
          const theirs = times.get(keyOf(row));
          if (theirs === undefined) return [];
          const { case: found, batch, replicas, precision, us_per_step } = row;
          const ratio = Math.round((us_per_step / theirs) * 1000) / 1000;
          return [
            { case: found, batch, replicas, precision, us_per_step, peer: name, peer_us_per_step: theirs, ratio },
          ];
        }),
  );
}

/** A Markdown table: one row per case, our times by precision, each peer's, and the ratio of each of ours to it. */
export function comparisonTable(results: readonly Row[], peers: readonly Peer[]): string {
  const precisions = [...new Set(results.map(({ precision }) => precision))];
  const cases = [...new Map(results.map((row) => [keyOf(row), row])).values()];
  const all = comparisons(results, peers);
  const cell = (x: number | undefined, digits: number) => (x === undefined ? '-' : x.toFixed(digits));
  const head = [
    ...['us a step', ...precisions.map((p) => `this ${p}`)],
    ...peers.flatMap(({ name }) => [name, ...precisions.map((p) => `${p} / ${name}`)]),
  ];
  const rows = cases.map((row) => {
    const ours = (precision: string) => results.find((r) => keyOf(r) === keyOf(row) && r.precision === precision);
    const time = (precision: string) => {
      const found = ours(precision);
      return found === undefined ? '-' : 'error' in found ? 'does not fit' : cell(found.us_per_step, 0);
    };
    const ratio = (precision: string, peer: string) =>
      all.find((c) => keyOf(c) === keyOf(row) && c.precision === precision && c.peer === peer)?.ratio;
    return [
      ...[`${row.case} b${row.batch}${row.replicas > 1 ? ` x${row.replicas}` : ''}`, ...precisions.map(time)],
      ...peers.flatMap(({ name, times }) => [
        cell(times.get(keyOf(row)), 0),
        ...precisions.map((p) => cell(ratio(p, name), 2)),
      ]),
    ];
  });
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
