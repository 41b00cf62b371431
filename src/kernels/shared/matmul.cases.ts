/** Checked products: every form, ragged shapes, every epilogue. */
import { SCALING_WORDS } from '../../core/clock.js';
import type { PlanBuilder } from '../../plan/builder.js';
import type { MatmulOptions } from '../matmul.js';
import { storedCases } from './storedHalves.cases.js';
import type { KernelCase } from './types.js';

export function matmulCases(matmul: (plan: PlanBuilder, options: MatmulOptions) => void): KernelCase[] {
  const list: KernelCase[] = [];
  // |error| <= K * 2^-24 * sum |a b| in the worst case; random signs make it about sqrt(K). Values are standard normal.
  const bound = (k: number) => ({ rtol: 2 ** -20, atol: 8 * Math.sqrt(k) * Math.sqrt(k) * 2 ** -24 });
  for (const form of ['NN', 'NT', 'TN'] as const)
    for (const [m, n, k, groups] of [
      [37, 29, 43, 3],
      [36, 28, 300, 2],
      [1, 13, 7, 1],
      [9, 1, 5, 2],
      [6, 10, 1, 1],
    ])
      list.push({
        name: `${form} ${m}x${n}x${k} x${groups}`,
        replicas: 2,
        ...bound(k),
        build(plan) {
          const p = plan.program;
          const c = p.persistent('c', [groups, m, n]);
          matmul(plan, {
            label: 'case',
            form,
            m,
            n,
            k,
            groups,
            a: { tensor: p.persistent('a', form === 'TN' ? [groups, k, m] : [groups, m, k]) },
            b: { tensor: p.persistent('b', form === 'NT' ? [groups, n, k] : [groups, k, n]) },
            c: { tensor: c },
            scale: 0.75,
          });
        },
      });
  for (const [name, k, biasInside] of [
    ['every epilogue', 19, false],
    ['every epilogue, bias inside', 19, true],
    ['every epilogue, bias inside, long sums', 520, true],
  ] as const)
    list.push({
      name,
      replicas: 3,
      ...bound(k),
      build(plan) {
        const [m, n] = [21, 33];
        const p = plan.program;
        matmul(plan, {
          label: 'case',
          m,
          n,
          k,
          a: { tensor: p.persistent('a', [m, k]) },
          b: { tensor: p.persistent('b', [k, n]) },
          c: { tensor: p.persistent('c', [m, n]) },
          bias: p.persistent('bias', [n]),
          biasInside,
          scale: biasInside ? 0.3 : 1,
          mask: p.persistent('mask', [m, n]),
          residual: p.persistent('residual', [m, n]),
          relu: true,
          accumulate: true,
        });
      },
    });
  list.push(...halfCases(matmul), ...storedCases(matmul));
  return list;
}

/**
 * Half-precision factors. Their products are exact in f32; matrix units add a few of them at a time, aligned to the largest and
 * truncated below 2^-23 of it: at most 2^-22 of the largest partial sum for each of the K terms.
 */
function halfCases(matmul: (plan: PlanBuilder, options: MatmulOptions) => void): KernelCase[] {
  const bound = (k: number) => ({ rtol: 2 ** -20, atol: 16 * Math.sqrt(k) * Math.sqrt(k) * 2 ** -22 });
  const one = (
    name: string,
    [form, m, n, k, groups]: readonly ['NN' | 'NT' | 'TN', number, number, number, number],
    fill?: KernelCase['fill'],
  ): KernelCase => ({
    name: `f16 ${name} ${form} ${m}x${n}x${k} x${groups}`,
    replicas: 2,
    ...bound(k),
    fill: { scaling: (i) => [0, 140, 3, 0][i], ...fill },
    build(plan) {
      const p = plan.program;
      matmul(plan, {
        ...{ label: 'case', form, m, n, k, groups, half: true, scale: 0.75 },
        scaling: p.persistent('scaling', [SCALING_WORDS], 'u32'),
        a: { tensor: p.persistent('a', form === 'TN' ? [groups, k, m] : [groups, m, k]) },
        b: { tensor: p.persistent('b', form === 'NT' ? [groups, n, k] : [groups, k, n]) },
        c: { tensor: p.persistent('c', [groups, m, n]) },
      });
    },
  });
  const shapes = [
    [37, 29, 43, 3],
    [36, 28, 300, 2],
    [1, 13, 7, 1],
    [9, 1, 5, 2],
    [64, 192, 128, 1],
    [132, 260, 36, 1],
  ] as const;
  const forms = ['NN', 'NT', 'TN'] as const;
  return [
    ...forms.flatMap((form) => shapes.map((shape) => one('', [form, ...shape]))),
    one('ties and subnormals', ['NN', 8, 12, 20, 1], {
      // 1 + odd multiples of 2^-11 are half way between two halves; below 2^-14 a unit is 2^-24.
      a: (i) => (i % 2 ? (1 + (2 * (i % 16) + 1) * 2 ** -11) * 2 ** ((i % 5) - 2) : (i + 0.5) * 2 ** -24),
      b: (i) => (i % 3 ? -1 - (2 * (i % 9) + 1) * 2 ** -11 : 2 ** -14 - (i % 7) * 2 ** -25),
    }),
    one('largest', ['NT', 8, 12, 8, 1], { a: (i) => (i ? 1 : 65519), b: () => 0.5 }),
    {
      ...one('overflow', ['TN', 8, 12, 8, 1], { a: (i) => (i === 5 ? 65520 : 1), b: () => 0.5 }),
      skip: ['c'], // the product of such a step is unspecified
    },
    {
      name: 'f16 every epilogue',
      replicas: 3,
      ...bound(83),
      fill: { scaling: (i) => [0, 127, 0, 0][i] },
      build(plan) {
        const [m, n, k] = [21, 33, 83];
        const p = plan.program;
        matmul(plan, {
          ...{ label: 'case', m, n, k, half: true, biasInside: true, scale: 0.3, relu: true, accumulate: true },
          scaling: p.persistent('scaling', [SCALING_WORDS], 'u32'),
          a: { tensor: p.persistent('a', [m, k]) },
          b: { tensor: p.persistent('b', [k, n]) },
          c: { tensor: p.persistent('c', [m, n]) },
          bias: p.persistent('bias', [n]),
          mask: p.persistent('mask', [m, n]),
          residual: p.persistent('residual', [m, n]),
        });
      },
    },
  ];
}
