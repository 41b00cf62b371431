import coreSource from '../../shaders/matmul_core.wgsl';
import lanesSource from '../../shaders/matmul_lanes.wgsl';
import plainSource from '../../shaders/matmul_plain.wgsl';
import reduceSource from '../../shaders/matmul_reduce.wgsl';
import rowsSource from '../../shaders/matmul_rows.wgsl';
import scalarSource from '../../shaders/matmul_scalar.wgsl';
import vec4Source from '../../shaders/matmul_vec4.wgsl';
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
import type { PlanBuilder } from '../plan/builder.js';
import { type Call, elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/matmul.js';
import { at, partsFor, stride, type WasmCommand } from '../wasm/command.js';
import { batchOf, productUniforms, tiledDispatch } from './matmulTiled.js';
import { type Form, type LanesTile, lanesTileOf, type Product, rangesOf } from './matmulTiles.js';
import type { Cost, HostViews, KernelCase, KernelSpec } from './types.js';

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

interface Params extends Product {
  aOffset: number;
  aRow: number;
  aGroup: number;
  bOffset: number;
  bRow: number;
  bGroup: number;
  cOffset: number;
  cRow: number;
  cGroup: number;
  biasGroup: number;
  biasInside: boolean;
  scale: number;
  relu: boolean;
  accumulate: boolean;
}

/**
 * Adds C = mask(relu(scale * op(A) op(B) + bias)) + residual (+ C) for every replica and group. f32, K summed upwards.
 * With biasInside the bias is scaled too.
 * Overwrites C unless `accumulate`. @throws ShapeError when a view reaches past its tensor.
 */
export function matmul(plan: PlanBuilder, o: MatmulOptions): void {
  const { m, n, k, groups = 1, form = 'NN' } = o;
  for (const [name, value] of Object.entries({ m, n, k, groups }))
    if (!(Number.isInteger(value) && value >= 1))
      throw new ShapeError(`matmul (${o.label}): ${name} = ${value}; every dimension must be a whole number >= 1`);
  const [rowsA, colsA] = form === 'TN' ? [k, m] : [m, k];
  const [rowsB, colsB] = form === 'NT' ? [n, k] : [k, n];
  const a = resolve(o.label, 'a', o.a, rowsA, colsA, groups);
  const b = resolve(o.label, 'b', o.b, rowsB, colsB, groups);
  const c = resolve(o.label, 'c', o.c, m, n, groups);
  const biasGroup = o.bias && elementsPerReplica(o.bias) === n * groups && groups > 1 ? n : 0;
  if (o.bias && elementsPerReplica(o.bias) < n)
    throw new ShapeError(`matmul (${o.label}): bias [${o.bias.shape}] for n = ${n}; pass [R, ${n}]`);
  for (const [name, t] of Object.entries({ mask: o.mask, residual: o.residual }))
    if (t && elementsPerReplica(t) < (groups - 1) * c.group + (m - 1) * c.row + n)
      throw new ShapeError(`matmul (${o.label}): ${name} [${t.shape}] is smaller than c [${o.c.tensor.shape}]`);
  const replicas = plan.replicas;
  for (const [name, t] of Object.entries({ a: o.a.tensor, b: o.b.tensor, c: o.c.tensor }))
    if (t.shape[0] !== replicas)
      throw new ShapeError(
        `matmul (${o.label}): ${name} [${t.shape}] has ${t.shape[0]} replicas, the plan ${replicas}`,
      );
  const params: Params = {
    form,
    m,
    n,
    k,
    groups,
    aOffset: a.offset,
    aRow: a.row,
    aGroup: a.group,
    bOffset: b.offset,
    bRow: b.row,
    bGroup: b.group,
    cOffset: c.offset,
    cRow: c.row,
    cGroup: c.group,
    biasGroup,
    biasInside: o.biasInside ?? false,
    scale: o.scale ?? 1,
    relu: o.relu ?? false,
    accumulate: o.accumulate ?? false,
  };
  const inputs: Record<string, Tensor> = { a: o.a.tensor, b: o.b.tensor };
  if (o.bias) inputs.bias = o.bias;
  if (o.mask) inputs.mask = o.mask;
  if (o.residual) inputs.residual = o.residual;
  plan.call({ op: 'matmul', label: o.label, inputs, outputs: { c: o.c.tensor }, params: { ...params } });
}

export const matmulKernel: KernelSpec = {
  op: 'matmul',
  reference: runReference,
  webgpu: lower,
  wasm,
  cost,
  cases: cases(),
};

function resolve(label: string, name: string, view: MatrixView, rows: number, cols: number, groups: number) {
  const row = view.row ?? view.tensor.shape[view.tensor.shape.length - 1];
  const group = view.group ?? (groups > 1 ? rows * row : 0);
  const offset = view.offset ?? 0;
  const last = offset + (groups - 1) * group + (rows - 1) * row + cols;
  const have = elementsPerReplica(view.tensor);
  if (!(last <= have) || !(row >= cols || rows === 1))
    throw new ShapeError(
      `matmul (${label}): ${name} needs ${groups} x ${rows} x ${cols} (row stride ${row}, group stride ${group}, offset ` +
        `${offset}), tensor ${view.tensor.name} is [${view.tensor.shape}]`,
    );
  return { row, group, offset };
}

function runReference(call: Call, views: HostViews): void {
  const p = call.params as unknown as Params;
  const slice = (name: string, at: number) => {
    const view = views[name];
    return view ? (view.data as Float64Array).subarray(at) : undefined;
  };
  const replicas = call.outputs.c.shape[0];
  for (let r = 0; r < replicas; r++)
    for (let g = 0; g < p.groups; g++)
      reference.matmul(
        { ...p, transposeA: p.form === 'TN', transposeB: p.form === 'NT' },
        slice('a', r * views.a.stride + p.aOffset + g * p.aGroup)!,
        slice('b', r * views.b.stride + p.bOffset + g * p.bGroup)!,
        slice('c', r * views.c.stride + p.cOffset + g * p.cGroup)!,
        {
          scale: p.scale,
          relu: p.relu,
          accumulate: p.accumulate,
          biasInside: p.biasInside,
          bias: slice('bias', r * (views.bias?.stride ?? 0) + g * p.biasGroup),
          mask: slice('mask', r * (views.mask?.stride ?? 0) + g * p.cGroup),
          residual: slice('residual', r * (views.residual?.stride ?? 0) + g * p.cGroup),
        },
      );
}

function cost(call: Call): Cost {
  const p = call.params as unknown as Params;
  const batch = call.outputs.c.shape[0] * p.groups;
  return { flops: 2 * batch * p.m * p.n * p.k, bytes: 4 * batch * (p.m * p.k + p.k * p.n + p.m * p.n) };
}

function lower(call: Call, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const p = call.params as unknown as Params;
  const { a, b, bias, mask, residual, pace } = call.inputs;
  const { c } = call.outputs;
  const replicas = c.shape[0];
  const lanesTile = lanesTileOf(p, replicas, traits);
  const fitting = ['rows', 'tiled', ...(lanesTile ? ['lanes'] : [])];
  const usual = !traits.software ? 'tiled' : lanesTile ? 'lanes' : 'rows';
  const variant = variantOf(traits, 'matmul', fitting, usual);
  const ranges = variant === 'tiled' ? rangesOf(p, traits) : { kg: 1, splits: 1 };
  const { splits } = ranges;
  const batch = batchOf(call.label, { ...p, replicas }, splits);
  const contiguous = [p.n, p.form === 'TN' ? p.m : p.k, ...(p.form === 'NT' ? [p.k] : [])];
  const strides = [p.aOffset, p.aRow, p.aGroup, p.bOffset, p.bRow, p.bGroup, p.cOffset, p.cRow, p.cGroup, p.biasGroup];
  const replicaStrides = [a, b, c, bias, mask, residual].map((t) => t?.replicaStride ?? 0);
  const vec4 = [...contiguous, ...strides, ...replicaStrides].every((x) => x % 4 === 0);
  const access = vec4 ? vec4Source : scalarSource;
  const uniforms = productUniforms(
    { ...p, replicas, ranges },
    [p.aOffset, a.replicaStride, p.aGroup, p.aRow],
    [p.bOffset, b.replicaStride, p.bGroup, p.bRow],
    [p.cOffset, c.replicaStride, p.cGroup, p.cRow],
    [bias?.replicaStride ?? 0, p.biasGroup, mask?.replicaStride ?? 0, residual?.replicaStride ?? 0],
    p.scale,
  );
  const transposes = { A_T: Number(p.form === 'TN'), B_T: Number(p.form === 'NT') };
  const epilogue = {
    BIAS: Number(!!bias),
    BIAS_INSIDE: Number(p.biasInside),
    RELU: Number(p.relu),
    MASK: Number(!!mask),
    RESIDUAL: Number(!!residual),
    ACCUMULATE: Number(p.accumulate),
    UPDATE: Number(!!pace), // src/kernels/fuseUpdate.ts
  };
  const target = splits === 1 ? c : scratch(0, [splits * replicas * p.groups, p.m, Math.ceil(p.n / 4) * 4]);
  const bindings = [read(a), read(b), read(bias), read(mask), read(residual), write(target), read(pace)];
  const constants = { ...transposes, ...epilogue };
  if (variant === 'lanes') return [lanesDispatch(lanesTile!)];
  const main: Dispatch =
    variant === 'rows'
      ? {
          shader: 'matmul_rows',
          source: access + plainSource + coreSource + rowsSource,
          constants,
          uniforms,
          bindings,
          workgroups: [Math.ceil(p.n / 32), Math.ceil(p.m / 32), batch],
        }
      : tiledDispatch(
          { ...p, replicas, ranges, factors: access + plainSource, oneHot: false, vec4, constants, uniforms, bindings },
          traits,
        );
  if (splits === 1) return [main];
  const words = Math.ceil(p.n / 4) * p.m * replicas * p.groups;
  return [
    main,
    {
      shader: 'matmul_reduce',
      source: access + coreSource + reduceSource,
      constants,
      uniforms,
      bindings: [read(target), read(undefined), read(bias), read(mask), read(residual), write(c), read(pace)],
      workgroups: linearGrid(Math.ceil(words / 64)),
    },
  ];

  function lanesDispatch({ lanes, tm, tn }: LanesTile): Dispatch {
    const tile = { LANES: lanes, TM: tm, TN: tn, GROUPS: tm / lanes };
    const spare = { GROUPS_AND_SPARE: tile.GROUPS + 1, LANES_AND_SPARE: lanes + 1, TN_AND_SPARE: tn + 1 };
    return {
      shader: 'matmul_lanes',
      source: `enable subgroups;\n${constantLines(tile)}${scalarSource}${coreSource}${unroll(lanesSource, { ...tile, ...spare })}`,
      constants,
      uniforms,
      bindings,
      workgroups: [Math.ceil(p.n / (tn * lanes)), Math.ceil(p.m / tm), batch],
    };
  }
}

/** Scratch of a thread in assembly/kernels/matmul.ts: packed B, packed A, partial sums. */
const WASM_BLOCKS = { rows: 256, cols: 256, depth: 512 };

function wasm(call: Call): WasmCommand[] {
  const p = call.params as unknown as Params;
  const { a, b, bias, mask, residual } = call.inputs;
  const { c } = call.outputs;
  const { rows, cols, depth } = WASM_BLOCKS;
  const shifted = (tensor: Tensor, offset: number) => at({ ...tensor, offset: tensor.offset + offset });
  return [
    {
      kernel: 'matmul',
      words: [
        ...[shifted(a, p.aOffset), shifted(b, p.bOffset), shifted(c, p.cOffset), at(bias), at(mask), at(residual)],
        ...[['NN', 'NT', 'TN'].indexOf(p.form), p.m, p.n, p.k, p.groups, c.shape[0]],
        ...[p.aRow, p.aGroup, stride(a), p.bRow, p.bGroup, stride(b), p.cRow, p.cGroup, stride(c)],
        ...[p.biasGroup, stride(bias), stride(mask), stride(residual)],
        ...[{ f32: p.scale }, Number(p.relu), Number(p.accumulate), Number(p.biasInside)],
      ],
      parts: partsFor((c.shape[0] * p.groups * p.m * p.n * p.k) / 4),
      threadBytes: 4 * (depth * cols + depth * rows + rows * cols),
    },
  ];
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
