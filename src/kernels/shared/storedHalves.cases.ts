/**
 * Checked products whose factor or mask an earlier product has made, so that a GPU with matrix units stores it as f16
 * (storedHalves.ts). What the earlier product adds up is exact in f32: both executors round the same numbers.
 */
import { SCALING_WORDS } from '../../core/clock.js';
import type { PlanBuilder } from '../../plan/builder.js';
import type { Tensor } from '../../plan/types.js';
import type { MatmulOptions } from '../matmul.js';
import type { KernelCase } from './types.js';

const [ROWS, INNER, WIDE] = [64, 96, 128];

type Last = Omit<MatmulOptions, 'label' | 'c'> & { shape: readonly [number, number] };

export function storedCases(matmul: (plan: PlanBuilder, options: MatmulOptions) => void): KernelCase[] {
  const one = (
    name: string,
    last: (hidden: Tensor, other: (name: string, rows: number, columns: number) => Tensor) => Last,
    fill: KernelCase['fill'] = {},
    depth = 48,
  ): KernelCase => ({
    name: `f16 stored, ${name}`,
    replicas: 2,
    rtol: 2 ** -20,
    atol: 32 * WIDE * 2 ** -22,
    fill: { x: thirtySeconds(17), w: thirtySeconds(13), scaling: (i) => [0, 140, 3, 0][i], ...fill },
    build(plan) {
      const p = plan.program;
      const hidden = plan.activation('hidden', [ROWS, INNER]);
      const { shape, ...options } = last(hidden, (of, rows, columns) => p.persistent(of, [rows, columns]));
      p.declareParameter('result', shape);
      const scaling = p.persistent('scaling', [SCALING_WORDS], 'u32');
      matmul(plan, {
        ...{ label: 'earlier', m: ROWS, n: INNER, k: depth, relu: true, scale: 0.25, half: true, scaling },
        a: { tensor: p.persistent('x', [ROWS, depth]) },
        b: { tensor: p.persistent('w', [depth, INNER]) },
        c: { tensor: hidden },
      });
      matmul(plan, { label: 'case', half: true, scaling, ...options, c: { tensor: p.gradient('result') } });
    },
  });
  const masked = (hidden: Tensor, other: (name: string, rows: number, columns: number) => Tensor): Last => ({
    ...{ form: 'NT', m: ROWS, n: INNER, k: WIDE, shape: [ROWS, INNER] },
    ...{ a: { tensor: other('a', ROWS, WIDE) }, b: { tensor: other('b', INNER, WIDE) }, mask: hidden },
  });
  const factor = (hidden: Tensor, other: (name: string, rows: number, columns: number) => Tensor): Last => ({
    ...{ form: 'NN', m: ROWS, n: WIDE, k: INNER, shape: [ROWS, WIDE] },
    ...{ a: { tensor: hidden }, b: { tensor: other('b', INNER, WIDE) } },
  });
  return [
    one('first factor', factor),
    one('first factor, transposed', (hidden, other) => ({
      ...{ form: 'TN', m: INNER, n: WIDE, k: ROWS, shape: [INNER, WIDE] },
      ...{ a: { tensor: hidden }, b: { tensor: other('b', ROWS, WIDE) } },
    })),
    one('second factor, transposed', (hidden, other) => ({
      ...{ form: 'NT', m: WIDE, n: ROWS, k: INNER, shape: [WIDE, ROWS] },
      ...{ a: { tensor: other('a', WIDE, INNER) }, b: { tensor: hidden } },
    })),
    one('mask', masked),
    // Sums of 48 * 2^-32, which round to zero, and zeros.
    one('mask of small numbers', masked, { x: (i) => ((i / 48) & 1 ? 2 ** -20 : -(2 ** -20)), w: () => 2 ** -10 }),
    one('sum of ranges', factor, { x: (i) => (i % 5) / 8 - 0.25, w: (i) => ((i % 3) - 1) / 4 }, 4096),
    {
      ...one('too large', factor, { x: () => 1, w: () => 10000 }),
      skip: ['c'], // what becomes of the product of such a step is left open
    },
  ];
}

/** Whole multiples of 1/32 around zero, `span` of them. */
function thirtySeconds(span: number) {
  return (i: number) => (((i * 7919) % span) - (span >> 1)) / 32;
}
