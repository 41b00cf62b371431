import { PACE_WORDS, SCALING_WORDS } from '../core/clock.js';
import { ShapeError } from '../core/errors.js';
import type { GradientPass } from '../plan/backward.js';
import { type PlanBuilder, reshape } from '../plan/builder.js';
import type { Region } from '../plan/regions.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/matmul.js';
import { partsFor } from '../wasm/command.js';
import { columnSum } from './columnSum.js';
import { NO_FACTOR, roundedFactor, roundFactor, roundWords } from './shared/half.js';
import { matmulCases } from './shared/matmul.cases.js';
import { lowerMatmul, type ProductCall } from './shared/matmulLaunch.js';
import type { Form } from './shared/matmulTiles.js';
import { defineOperation } from './shared/operation.js';
import { bool, f32, oneOf, u32 } from './shared/params.js';

/** A factor or the result: matrices inside a tensor. Strides in elements, within one replica. */
export interface MatrixView {
  tensor: Tensor;
  offset?: number; // first element; default 0
  row?: number; // between stored rows; default: the tensor's last dimension
  group?: number; // between groups; default: rows * row
}

export interface MatmulOptions {
  label: string;
  form?: Form; // NN: A [M,K] B [K,N]; NT: B stored [N,K]; TN: A stored [K,M]
  m: number;
  n: number;
  k: number;
  groups?: number; // G, products per replica
  a: MatrixView;
  b: MatrixView;
  c: MatrixView;
  scale?: number;
  bias?: Tensor; // [R, N] or [R, G, N]
  biasInside?: boolean; // scale * (op(A) op(B) + bias); default: scale * op(A) op(B) + bias
  relu?: boolean;
  mask?: Tensor; // same layout as c, without its offset
  residual?: Tensor; // same layout as c, without its offset
  accumulate?: boolean;
  half?: boolean; // factors rounded to f16 (src/core/half.ts)
  scaling?: Tensor; // with half: set if a factor does not fit
}

/**
 * Adds C = mask(relu(scale * op(A) op(B) + bias)) + residual (+ C) for every replica and group. f32, summed over K in ascending
 * order. With biasInside the bias is scaled too. half: factors rounded to f16; on matrix units the order and rounding of sums are
 * those of the units. Overwrites C unless `accumulate`. @throws ShapeError if a view reaches beyond its tensor.
 */
export function matmul(plan: PlanBuilder, o: MatmulOptions): void {
  const { label, form = 'NN', m, n, k, groups = 1, bias, mask, residual } = o;
  const { biasInside, scale, relu, accumulate, half, scaling } = o;
  const view = ({ tensor, offset = 0, row, group }: MatrixView, rows: number) => {
    const step = row ?? tensor.shape[tensor.shape.length - 1];
    return { offset, row: step, group: group ?? (groups > 1 ? rows * step : 0) };
  };
  const a = view(o.a, form === 'TN' ? k : m);
  const b = view(o.b, form === 'NT' ? n : k);
  const c = view(o.c, m);
  const biasGroup = bias && elementsPerReplica(bias) === n * groups && groups > 1 ? n : 0;
  matmulOperation(plan, {
    ...{ label, form, m, n, k, groups, bias, mask, residual, biasGroup, biasInside, scale, relu, accumulate },
    ...{ half, scaling: half ? scaling : undefined },
    ...{ a: o.a.tensor, aOffset: a.offset, aRow: a.row, aGroup: a.group },
    ...{ b: o.b.tensor, bOffset: b.offset, bRow: b.row, bGroup: b.group },
    ...{ c: o.c.tensor, cOffset: c.offset, cRow: c.row, cGroup: c.group },
  });
}

const size = u32({ least: 1 });
const stride = u32();

/** The product with every view written out: its offset in the tensor, elements between rows and groups. */
export const matmulOperation = defineOperation({
  name: 'matmul',
  // pace: take a step of plain SGD along the product instead (shared/fuseUpdate.ts).
  inputs: { a: 'R ...', b: 'R ...', bias: 'R ... ?', mask: 'R ... ?', residual: 'R ... ?', pace: `R ${PACE_WORDS} ?` },
  outputs: { c: 'R ...', scaling: `u32 R ${SCALING_WORDS} ?` },
  params: {
    ...{ form: oneOf('NN', 'NT', 'TN'), m: size, n: size, k: size, groups: size },
    ...{ aOffset: stride, aRow: stride, aGroup: stride, bOffset: stride, bRow: stride, bGroup: stride },
    ...{ cOffset: stride, cRow: stride, cGroup: stride, biasGroup: stride },
    ...{ biasInside: bool(), scale: f32({ default: 1 }), relu: bool(), accumulate: bool() },
    ...{ half: bool(), scaled: bool() }, // scaled: pace unscales
    ...{ seenA: bool(), seenB: bool() }, // an earlier product has checked that the factor fits a half
  },
  check(o, refuse) {
    const { form, m, n, k, groups, bias } = o;
    const fits = (name: string, t: Tensor, rows: number, cols: number, offset: number, row: number, group: number) => {
      const last = offset + (groups - 1) * group + (rows - 1) * row + cols;
      if (!(last <= elementsPerReplica(t)) || !(row >= cols || rows === 1))
        refuse(
          `${name} needs ${groups} x ${rows} x ${cols} (row stride ${row}, group stride ${group}, offset ${offset}), ` +
            `tensor ${t.name} is [${t.shape}]`,
        );
    };
    fits('a', o.a, form === 'TN' ? k : m, form === 'TN' ? m : k, o.aOffset, o.aRow, o.aGroup);
    fits('b', o.b, form === 'NT' ? n : k, form === 'NT' ? k : n, o.bOffset, o.bRow, o.bGroup);
    fits('c', o.c, m, n, o.cOffset, o.cRow, o.cGroup);
    if (bias && elementsPerReplica(bias) < n) refuse(`bias is [${bias.shape}], n = ${n}; pass [R, ${n}]`);
    for (const [name, t] of Object.entries({ mask: o.mask, residual: o.residual }))
      if (t && elementsPerReplica(t) < (groups - 1) * o.cGroup + (m - 1) * o.cRow + n)
        refuse(`${name} [${t.shape}] is smaller than c [${o.c.shape}]`);
  },
  reference({ c, bias, mask, residual, scaling, ...factors }, p) {
    const round = (factor: Float64Array) => (p.half ? roundFactor(factor, scaling) : factor);
    const [a, b] = [round(factors.a), round(factors.b)];
    for (let g = 0; g < p.groups; g++)
      reference.matmul(
        { ...p, transposeA: p.form === 'TN', transposeB: p.form === 'NT' },
        a.subarray(p.aOffset + g * p.aGroup),
        b.subarray(p.bOffset + g * p.bGroup),
        c.subarray(p.cOffset + g * p.cGroup),
        {
          ...p,
          bias: bias?.subarray(g * p.biasGroup),
          mask: mask?.subarray(g * p.cGroup),
          residual: residual?.subarray(g * p.cGroup),
        },
      );
  },
  webgpu: lowerMatmul,
  wasm: {
    kernels: ['matmul', 'matmulRound'],
    scratch: true,
    words: roundWords,
    launch({ inputs: { a, b }, params: { m, n, k, groups, half }, replicas }, scratch) {
      const { rows, cols, depth } = WASM_BLOCKS;
      const threadBytes = 4 * (depth * cols + depth * rows + rows * cols);
      const parts = partsFor((replicas * groups * m * n * k) / 4);
      if (!half) return [{ words: NO_FACTOR, parts, threadBytes }];
      const factors = [a, b].map((factor) => roundedFactor('matmulRound', factor, replicas, scratch));
      const [roundedA, roundedB] = factors.map(({ at, replicaStride }) => ({ at, replicaStride }));
      const words = {
        ...{ ...NO_FACTOR, a: roundedA.at, aReplica: roundedA.replicaStride },
        ...{ b: roundedB.at, bReplica: roundedB.replicaStride },
      };
      return [...factors.map(({ command }) => command), { words, parts, threadBytes }];
    },
  },
  gradient,
  cost: ({ m, n, k, groups }) => ({ flops: 2 * groups * m * n * k, bytes: 4 * groups * (m * k + k * n + m * n) }),
  cases: () => matmulCases(matmul),
});

/** Scratch of a thread in assembly/kernels/matmul.ts: packed B, packed A, partial sums. */
const WASM_BLOCKS = { rows: 256, cols: 256, depth: 512 };

/** C = relu(scale op(A) op(B) + bias) + residual: the gradient of each factor is a product of dC and the other factor. */
function gradient(
  call: Pick<ProductCall, 'label' | 'inputs' | 'outputs'> & { params: ProductCall['params'] & { scale: number } },
  pass: GradientPass,
): void {
  const { label, params: p } = call;
  const { a, b, bias, mask, residual } = call.inputs;
  const { c, scaling } = call.outputs;
  const { m, n, k, groups, form, scale, half } = p;
  if (mask || (residual && p.relu))
    throw new ShapeError(
      `${label}: a product with a mask, or with a ReLU before its residual, has no gradient; leave out the mask, and add the residual by a separate call`,
    );
  const [rowsA, columnsA] = form === 'TN' ? [k, m] : [m, k];
  const [rowsB, columnsB] = form === 'NT' ? [n, k] : [k, n];
  const regionA = { offset: p.aOffset, row: p.aRow, group: p.aGroup, rows: rowsA, columns: columnsA, groups };
  const regionB = { offset: p.bOffset, row: p.bRow, group: p.bGroup, rows: rowsB, columns: columnsB, groups };
  const viewA = { offset: p.aOffset, row: p.aRow, group: p.aGroup };
  const viewB = { offset: p.bOffset, row: p.bRow, group: p.bGroup };
  const dC = () => ({ tensor: pass.of(c), offset: p.cOffset, row: p.cRow, group: p.cGroup });
  const A = { tensor: a, ...viewA };
  const B = { tensor: b, ...viewB };
  const factor = (
    input: Tensor,
    region: Region,
    product: () => Pick<MatmulOptions, 'form' | 'm' | 'n' | 'k' | 'a' | 'b'>,
  ) => {
    const { offset, row, group } = region;
    if (groups > 1 && group === 0)
      throw new ShapeError(`${label}: a factor that all groups share has no gradient; fold the groups into rows`);
    const what = input.role === 'parameter' ? 'gradient' : 'input gradient';
    pass.add({
      input,
      region,
      accumulates: true,
      masks: offset === 0,
      write: ({ tensor, accumulate, mask }) =>
        matmul(pass.plan, {
          ...product(),
          label: `${label} ${what}`,
          c: { tensor, offset, row, group },
          groups,
          scale,
          accumulate,
          mask,
          half,
          scaling,
        }),
    });
  };
  if (pass.wants(a))
    factor(a, regionA, () =>
      form === 'NN'
        ? { form: 'NT', m, n: k, k: n, a: dC(), b: B }
        : form === 'NT'
          ? { form: 'NN', m, n: k, k: n, a: dC(), b: B }
          : { form: 'NT', m: k, n: m, k: n, a: B, b: dC() },
    );
  if (pass.wants(b))
    factor(b, regionB, () =>
      form === 'NN'
        ? { form: 'TN', m: k, n, k: m, a: A, b: dC() }
        : form === 'NT'
          ? { form: 'TN', m: n, n: k, k: m, a: dC(), b: A }
          : { form: 'NN', m: k, n, k: m, a: A, b: dC() },
    );
  if (pass.wants(bias)) {
    // Rows of n elements follow each other, with groups side by side or one below the other.
    const beside = p.cRow === groups * n && (groups === 1 || p.cGroup === n);
    const own = p.biasGroup > 0;
    if (p.cOffset !== 0 || groups * m * n !== elementsPerReplica(c) || !(beside || (!own && p.cGroup === m * n)))
      throw new ShapeError(
        `${label}: a bias on a part of ${c.name} [${c.shape}] has no gradient; write the whole tensor`,
      );
    const columns = own ? groups * n : n;
    pass.add({
      input: bias,
      accumulates: true,
      write: ({ tensor, accumulate }) =>
        columnSum(pass.plan, {
          label: `${bias.name} gradient`,
          input: reshape(pass.of(c), [(groups * m * n) / columns, columns]),
          output: reshape(tensor, [columns]),
          scale: p.biasInside ? scale : 1,
          accumulate,
        }),
    });
  }
  if (pass.wants(residual)) {
    if (elementsPerReplica(residual) !== groups * m * n || p.cOffset !== 0)
      throw new ShapeError(
        `${label}: a residual on a part of ${c.name} [${c.shape}] has no gradient; write the whole tensor`,
      );
    pass.pass(residual, c);
  }
}
