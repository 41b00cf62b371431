/** The values of one axis of a grid: lists, ranges, multiples of a sample complexity, expressions. */
import type * as z from 'zod';
import { InputError } from '../core/errors.js';
import { nearest } from '../core/nearest.js';
import { complexity, expression, range } from './axisSchema.js';
import { type Compiled, compileExpression } from './expression.js';

/** Maximum number of combinations of a grid; a larger one is refused before it is expanded. */
export const MOST_RUNS = 200_000;

/** A known value, or one computed from the other fields of its combination. */
export type AxisValue = { readonly value: unknown } | { readonly derived: Derived };
export type Derived =
  | { readonly kind: 'expression'; readonly expression: Compiled }
  | {
      readonly kind: 'complexity';
      readonly ell: number;
      readonly times: number;
      readonly family?: 'cnn' | 'transformer';
    };

/** The number of values of an axis and how to make them; values are counted before they are expanded. */
export interface Axis {
  readonly count: number;
  values(): AxisValue[];
}

/** @throws InputError naming the forms of an axis. */
export function parseAxis(input: unknown): Axis {
  if (Array.isArray(input)) return { count: input.length, values: () => input.map((value) => ({ value })) };
  if (typeof input !== 'object' || input === null) return { count: 1, values: () => [{ value: input }] };
  if ('expr' in input) {
    const { expr } = check(expression, input);
    const derived: Derived = { kind: 'expression', expression: compileExpression(expr) };
    return { count: 1, values: () => [{ derived }] };
  }
  if ('P_ell' in input) return complexityAxis(check(complexity, input));
  if ('from' in input || 'to' in input) return rangeAxis(check(range, input));
  const guess = Object.keys(input)
    .map((key) => nearest(key, ['from', 'P_ell', 'expr']))
    .find(Boolean);
  throw new InputError(
    `got ${JSON.stringify(input)}; ${guess ? `did you mean ${guess}? ` : ''}pass a list, {from, to, step|count|factor}, {P_ell, times} or {expr}; an object that is itself a value goes into a list`,
  );
}

function complexityAxis({ P_ell: ell, times = 1, family }: z.infer<typeof complexity>): Axis {
  const inner = parseAxis(times);
  const values = () =>
    inner.values().map((at): AxisValue => {
      if (!('value' in at) || typeof at.value !== 'number' || !(at.value > 0))
        throw new InputError(`times: got ${JSON.stringify('value' in at ? at.value : times)}; pass numbers above 0`);
      return { derived: { kind: 'complexity', ell, times: at.value, family } };
    });
  if (inner.count <= MOST_RUNS) values();
  return { count: inner.count, values };
}

function rangeAxis(r: z.infer<typeof range>): Axis {
  const given = (['step', 'count', 'factor'] as const).filter((key) => r[key] !== undefined);
  if (given.length !== 1)
    throw new InputError(`got ${given.join(' and ') || 'neither step, count nor factor'}; pass exactly one of them`);
  const geometric = r.factor !== undefined || r.spacing === 'log';
  if (geometric && !(r.from > 0 && r.to > 0))
    throw new InputError(`from ${r.from} to ${r.to}: a geometric range needs both above 0`);
  if (r.spacing === 'log' && r.count === undefined) throw new InputError('spacing: log goes with count');
  const count = r.count ?? steps(r, geometric);
  const at = (i: number): number => {
    if (r.step !== undefined) return tidy(r.from + i * r.step);
    if (r.factor !== undefined) return tidy(r.from * r.factor ** i);
    if (count < 2) return r.from;
    if (i === count - 1) return r.to;
    return tidy(
      geometric ? r.from * (r.to / r.from) ** (i / (count - 1)) : r.from + (i * (r.to - r.from)) / (count - 1),
    );
  };
  const values = () => {
    const all = Array.from({ length: count }, (_, i) => at(i));
    return (r.integer ? [...new Set(all.map(Math.round))] : all).map((value) => ({ value }));
  };
  return { count: r.integer && count <= MOST_RUNS ? values().length : count, values };
}

/** Values of a range by step or factor; the end is included if it is met up to rounding. */
function steps({ from, to, step, factor }: z.infer<typeof range>, geometric: boolean): number {
  if (geometric && (!(factor! > 0) || factor === 1))
    throw new InputError(`factor: got ${factor}; pass one above 0, not 1`);
  if (!geometric && step === 0) throw new InputError('step: got 0; pass another');
  const exact = geometric ? Math.log(to / from) / Math.log(factor!) : (to - from) / step!;
  if (!(exact >= 0))
    throw new InputError(
      `from ${from} to ${to}: ${geometric ? `factor ${factor}` : `step ${step}`} leads away from the end`,
    );
  return Math.floor(exact * (1 + 1e-12) + 1e-9) + 1;
}

/** 0.1 + 0.2 should be 0.3 in a grid: 12 digits. */
const tidy = (x: number): number => Number(x.toPrecision(12));

function check<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue.path.join('.');
  throw new InputError(
    issue.code === 'unrecognized_keys'
      ? `${issue.keys.join(', ')}: not known here; pass ${schema.description}`
      : `${where ? `${where}: ` : ''}${issue.message}; pass ${schema.description}`,
  );
}
