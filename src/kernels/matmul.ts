import denseSource from '../../shaders/matmul_dense.wgsl';
import lanesSource from '../../shaders/matmul_lanes.wgsl';
import reduceSource from '../../shaders/matmul_reduce.wgsl';
import rowsSource from '../../shaders/matmul_rows.wgsl';
import scalarSource from '../../shaders/matmul_scalar.wgsl';
import vec4Source from '../../shaders/matmul_vec4.wgsl';
import { PACE_WORDS } from '../core/clock.js';
import { ShapeError } from '../core/errors.js';
import {
  type AdapterTraits,
  type Dispatch,
  linearGrid,
  read,
  type Scratch,
  variantOf,
  write,
} from '../gpu/dispatch.js';
import { constantLines, unroll } from '../gpu/unroll.js';
import type { GradientPass, Region } from '../plan/backward.js';
import { type PlanBuilder, reshape } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/matmul.js';
import { partsFor } from '../wasm/command.js';
import { columnSum } from './columnSum.js';
import { batchOf, coreText, productWords, tiledLaunch } from './shared/matmulTiled.js';
import { type Form, type LanesTile, lanesTileOf, type Product, rangesOf } from './shared/matmulTiles.js';
import { defineOperation, type Launch } from './shared/operation.js';
import { bool, f32, oneOf, u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/** A factor or the result: matrices inside a tensor. Strides in elements, inside one replica. */
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
  mask?: Tensor; // laid out as c without its offset
  residual?: Tensor; // laid out as c without its offset
  accumulate?: boolean;
}

/**
 * Adds C = mask(relu(scale * op(A) op(B) + bias)) + residual (+ C) for every replica and group. f32, K summed upwards.
 * With biasInside the bias is scaled too.
 * Overwrites C unless `accumulate`. @throws ShapeError when a view reaches past its tensor.
 */
export function matmul(plan: PlanBuilder, o: MatmulOptions): void {
  const { label, form = 'NN', m, n, k, groups = 1, bias, mask, residual } = o;
  const { biasInside, scale, relu, accumulate } = o;
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
    ...{ a: o.a.tensor, aOffset: a.offset, aRow: a.row, aGroup: a.group },
    ...{ b: o.b.tensor, bOffset: b.offset, bRow: b.row, bGroup: b.group },
    ...{ c: o.c.tensor, cOffset: c.offset, cRow: c.row, cGroup: c.group },
  });
}

const size = u32({ least: 1 });
const stride = u32();

/** The product with every view spelled out: where it begins in its tensor, elements between rows and groups. */
export const matmulOperation = defineOperation({
  name: 'matmul',
  // pace: a step of plain SGD along the product instead (shared/fuseUpdate.ts).
  inputs: { a: 'R ...', b: 'R ...', bias: 'R ... ?', mask: 'R ... ?', residual: 'R ... ?', pace: `R ${PACE_WORDS} ?` },
  outputs: { c: 'R ...' },
  params: {
    ...{ form: oneOf('NN', 'NT', 'TN'), m: size, n: size, k: size, groups: size },
    ...{ aOffset: stride, aRow: stride, aGroup: stride, bOffset: stride, bRow: stride, bGroup: stride },
    ...{ cOffset: stride, cRow: stride, cGroup: stride, biasGroup: stride },
    ...{ biasInside: bool(), scale: f32({ default: 1 }), relu: bool(), accumulate: bool() },
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
  reference({ a, b, c, bias, mask, residual }, p) {
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
  webgpu: lower,
  wasm: {
    scratch: true,
    launch({ params: { m, n, k, groups }, replicas }) {
      const { rows, cols, depth } = WASM_BLOCKS;
      const threadBytes = 4 * (depth * cols + depth * rows + rows * cols);
      return [{ parts: partsFor((replicas * groups * m * n * k) / 4), threadBytes }];
    },
  },
  gradient,
  cost: ({ m, n, k, groups }) => ({ flops: 2 * groups * m * n * k, bytes: 4 * groups * (m * k + k * n + m * n) }),
  cases,
});

/** Scratch of a thread in assembly/kernels/matmul.ts: packed B, packed A, partial sums. */
const WASM_BLOCKS = { rows: 256, cols: 256, depth: 512 };

/** What lower() reads of a call. */
interface ProductCall {
  label: string;
  inputs: { a: Tensor; b: Tensor; bias?: Tensor; mask?: Tensor; residual?: Tensor; pace?: Tensor };
  outputs: { c: Tensor };
  params: Product &
    Record<'aOffset' | 'aRow' | 'aGroup' | 'bOffset' | 'bRow' | 'bGroup', number> &
    Record<'cOffset' | 'cRow' | 'cGroup' | 'biasGroup', number> &
    Record<'biasInside' | 'relu' | 'accumulate', boolean>;
  replicas: number;
  launch(o: Launch): Dispatch;
}

/** C = relu(scale op(A) op(B) + bias) + residual: the gradient of each factor is a product of dC and the other factor. */
function gradient(
  call: Pick<ProductCall, 'label' | 'inputs' | 'outputs'> & { params: ProductCall['params'] & { scale: number } },
  pass: GradientPass,
): void {
  const { label, params: p } = call;
  const { a, b, bias, mask, residual } = call.inputs;
  const { c } = call.outputs;
  const { m, n, k, groups, form, scale } = p;
  if (mask || (residual && p.relu))
    throw new ShapeError(
      `${label}: a product with a mask, or with a ReLU before its residual, has no gradient; leave out the mask, and add the residual by a call of its own`,
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
    // Rows of n elements follow each other, a group beside or below the other.
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

function lower(call: ProductCall, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const { inputs, params: p, replicas, launch } = call;
  const { a, b, bias, mask, residual, pace } = inputs;
  const { c } = call.outputs;
  const lanesTile = lanesTileOf(p, replicas, traits);
  const fitting = ['rows', 'tiled', ...(lanesTile ? ['lanes'] : [])];
  const usual = !traits.software ? 'tiled' : lanesTile ? 'lanes' : 'rows';
  const variant = variantOf(traits, 'matmul', fitting, usual);
  const ranges = variant === 'tiled' ? rangesOf(p, traits) : { kg: 1, splits: 1 };
  const { splits } = ranges;
  const product = { ...p, replicas, ranges };
  const batch = batchOf(call.label, product, splits);
  const contiguous = [p.n, p.form === 'TN' ? p.m : p.k, ...(p.form === 'NT' ? [p.k] : [])];
  const strides = [p.aOffset, p.aRow, p.aGroup, p.bOffset, p.bRow, p.bGroup, p.cOffset, p.cRow, p.cGroup, p.biasGroup];
  const replicaStrides = [a, b, c, bias, mask, residual].map((t) => t?.replicaStride ?? 0);
  const vec4 = [...contiguous, ...strides, ...replicaStrides].every((x) => x % 4 === 0);
  const access = vec4 ? vec4Source : scalarSource;
  const constants = {
    A_T: Number(p.form === 'TN'),
    B_T: Number(p.form === 'NT'),
    BIAS: Number(!!bias),
    BIAS_INSIDE: Number(p.biasInside),
    RELU: Number(p.relu),
    MASK: Number(!!mask),
    RESIDUAL: Number(!!residual),
    ACCUMULATE: Number(p.accumulate),
    UPDATE: Number(!!pace),
  };
  const target = splits === 1 ? c : scratch(0, [splits * replicas * p.groups, p.m, Math.ceil(p.n / 4) * 4]);
  const bind = (from: Tensor, other: Tensor | undefined, to: Tensor, type = vec4 ? 'vec4f' : 'f32') => ({
    ...{ a: read(from, type), b: read(other, type), bias: read(bias, type), mask: read(mask, type) },
    ...{ residual: read(residual, type), c: write(to, type), pace: read(pace) },
  });
  const words = { ...productWords(product), cReplica: c.replicaStride };
  if (variant === 'lanes') return [lanesLaunch(lanesTile!)];
  const main =
    variant === 'rows'
      ? launch({
          shader: 'matmul_rows',
          source: access + denseSource + coreText + rowsSource,
          constants,
          words,
          bind: bind(a, b, target),
          workgroups: [Math.ceil(p.n / 32), Math.ceil(p.m / 32), batch],
        })
      : launch({
          ...tiledLaunch({ ...product, factors: access + denseSource, oneHot: false, vec4, constants }, traits),
          words,
          bind: bind(a, b, target),
        });
  if (splits === 1) return [main];
  const vectors = Math.ceil(p.n / 4) * p.m * replicas * p.groups;
  return [
    main,
    launch({
      shader: 'matmul_reduce',
      source: access + coreText + reduceSource,
      constants,
      words: { ...words, aReplica: a.replicaStride, bReplica: b.replicaStride },
      bind: bind(target, undefined, c),
      workgroups: linearGrid(Math.ceil(vectors / 64)),
    }),
  ];

  function lanesLaunch({ lanes, tm, tn }: LanesTile): Dispatch {
    const tile = { LANES: lanes, TM: tm, TN: tn, GROUPS: tm / lanes };
    const spare = { GROUPS_AND_SPARE: tile.GROUPS + 1, LANES_AND_SPARE: lanes + 1, TN_AND_SPARE: tn + 1 };
    return launch({
      shader: 'matmul_lanes',
      enable: 'subgroups',
      source: constantLines(tile) + scalarSource + coreText + unroll(lanesSource, { ...tile, ...spare }),
      constants,
      words,
      bind: bind(a, b, target, 'f32'),
      workgroups: [Math.ceil(p.n / (tn * lanes)), Math.ceil(p.m / tm), batch],
    });
  }
}

function cases(): KernelCase[] {
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
  return list;
}
