import source from '../../shaders/crossEntropy.wgsl';
import coreSource from '../../shaders/crossEntropy_core.wgsl';
import quadsSource from '../../shaders/crossEntropy_quads.wgsl';
import rowsSource from '../../shaders/crossEntropy_rows.wgsl';
import recordSource from '../../shaders/crossEntropyRecord.wgsl';
import { ShapeError } from '../core/errors.js';
import { type AdapterTraits, type Dispatch, read, type Scratch, variantOf, write } from '../gpu/dispatch.js';
import { constantLines, opaqueBounds, unroll, unrolledLoads } from '../gpu/unroll.js';
import type { PlanBuilder } from '../plan/builder.js';
import { type Call, elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/crossEntropy.js';
import { at, partsFor, type ShareScratch, stride, type WasmCommand } from '../wasm/command.js';
import type { HostViews, KernelCase, KernelSpec } from './types.js';

export interface CrossEntropyOptions {
  label: string;
  logits: Tensor; // [R, B, V] or [R, B, T, V]
  targets: Tensor; // u32 [R, B, d]: row (b, t) predicts targets[b, targetOffset + t]
  targetOffset?: number;
  clock: Tensor; // u32 [R, words]
  clockWord: number; // the word that counts records
  dLogits?: Tensor; // as logits; overwritten; leave out when only evaluating
  record: Tensor; // f32 [R, ring, 2]: slot clock % ring gets mean loss (nats) and accuracy
}

interface Params {
  rows: number;
  classes: number;
  rowsPerSentence: number;
  targetRow: number;
  targetOffset: number;
  ring: number;
  clockWord: number;
}

/** Adds softmax cross-entropy (mean over rows, nats), its gradient and the accuracy. @throws ShapeError. */
export function crossEntropy(plan: PlanBuilder, o: CrossEntropyOptions): void {
  const classes = o.logits.shape[o.logits.shape.length - 1];
  const rows = elementsPerReplica(o.logits) / classes;
  const batch = o.logits.shape[1];
  const targetRow = elementsPerReplica(o.targets) / o.targets.shape[1];
  const { targetOffset = 0 } = o;
  const rowsPerSentence = rows / batch;
  const fail = (what: string) => {
    throw new ShapeError(`crossEntropy (${o.label}): ${what}`);
  };
  if (o.targets.dtype !== 'u32' || o.targets.shape[1] !== batch || targetOffset + rowsPerSentence > targetRow)
    fail(`targets ${o.targets.dtype} [${o.targets.shape}] from ${targetOffset} for logits [${o.logits.shape}]`);
  if (o.dLogits && elementsPerReplica(o.dLogits) !== rows * classes)
    fail(`dLogits [${o.dLogits.shape}] for logits [${o.logits.shape}]`);
  if (o.record.shape.length !== 3 || o.record.shape[2] !== 2) fail(`record [${o.record.shape}]; pass [R, ring, 2]`);
  if (o.clock.dtype !== 'u32' || !(o.clockWord < elementsPerReplica(o.clock))) fail(`clock has no word ${o.clockWord}`);
  const ring = o.record.shape[1];
  const params: Params = { rows, classes, rowsPerSentence, targetRow, targetOffset, ring, clockWord: o.clockWord };
  const outputs: Record<string, Tensor> = { record: o.record };
  if (o.dLogits) outputs.dLogits = o.dLogits;
  plan.call({
    op: 'crossEntropy',
    label: o.label,
    inputs: { logits: o.logits, targets: o.targets, clock: o.clock },
    outputs,
    params: { ...params },
  });
}

export const crossEntropyKernel: KernelSpec = {
  op: 'crossEntropy',
  reference(call: Call, views: HostViews) {
    const p = call.params as unknown as Params;
    const { logits, targets, clock, dLogits, record } = views;
    for (let r = 0; r < call.inputs.logits.shape[0]; r++) {
      const { loss, accuracy } = reference.crossEntropy(
        p.rows,
        p.classes,
        logits.data.subarray(r * logits.stride) as Float64Array,
        (row) =>
          targets.data[
            r * targets.stride +
              Math.floor(row / p.rowsPerSentence) * p.targetRow +
              p.targetOffset +
              (row % p.rowsPerSentence)
          ],
        dLogits?.data.subarray(r * dLogits.stride) as Float64Array | undefined,
      );
      const slot = r * record.stride + (clock.data[r * clock.stride + p.clockWord] % p.ring) * 2;
      record.data[slot] = loss;
      record.data[slot + 1] = accuracy;
    }
  },
  webgpu: lower,
  wasm,
  cost(call: Call) {
    const p = call.params as unknown as Params;
    const elements = call.inputs.logits.shape[0] * p.rows * p.classes;
    return { flops: 6 * elements, bytes: 4 * elements * (call.outputs.dLogits ? 2 : 1) };
  },
  cases: cases(),
};

function lower(call: Call, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const p = call.params as unknown as Params;
  const { logits, targets, clock } = call.inputs;
  const { dLogits, record } = call.outputs;
  const replicas = logits.shape[0];
  const lanes = p.classes >= 512 ? 64 : p.classes >= 64 ? 8 : 1;
  const strides = [p.classes, logits.replicaStride, dLogits?.replicaStride ?? 0];
  const inRegisters = p.classes <= 32 && strides.every((x) => x % 4 === 0);
  // One workgroup does it all for a small batch; larger ones spread over workgroups.
  const usual = traits.software ? 'quads' : p.rows > 4096 ? 'staged' : 'direct';
  const variant = inRegisters ? variantOf(traits, 'crossEntropy', ['quads', 'staged', 'direct'], usual) : 'lanes';
  const staged = variant === 'staged';
  const threads = staged ? 64 : 256;
  const teams = threads / lanes;
  const rowsPerGroup = p.rows <= 2 * teams ? Math.ceil(p.rows / teams) : p.rows > 2 ** 18 ? 8 : 1;
  const blocks = Math.ceil(p.rows / (teams * rowsPerGroup));
  const target = blocks === 1 ? record : scratch(0, [replicas, blocks, 2]);
  const prelude = `alias Value = ${inRegisters ? 'vec4f' : 'f32'};\nconst THREADS = ${threads}u;\n${opaqueBounds(traits.software, 'p.rows')}`;
  const shape = { QUADS: p.classes / 4, STAGED: Number(staged), DIRECT: Number(!staged) };
  const shader = !inRegisters ? 'crossEntropy' : variant === 'quads' ? 'crossEntropy_quads' : 'crossEntropy_rows';
  const text = { crossEntropy: source, crossEntropy_quads: quadsSource, crossEntropy_rows: rowsSource }[shader];
  const main: Dispatch = {
    shader,
    source: prelude + (inRegisters ? constantLines({ QUADS: shape.QUADS }) : '') + coreSource + unroll(text, shape),
    constants: { ...(!inRegisters && { LANES: lanes }), GRADIENT: Number(!!dLogits) },
    uniforms: [
      ...[p.rows, p.classes, p.rowsPerSentence, p.targetRow],
      ...[p.targetOffset, p.ring, p.clockWord, rowsPerGroup],
      ...[logits.replicaStride, targets.replicaStride, clock.replicaStride, dLogits?.replicaStride ?? 0],
      ...[record.replicaStride, blocks],
    ],
    bindings: [read(logits), read(targets), read(clock), write(dLogits ?? scratch(1, [1, 64])), write(target)],
    workgroups: [blocks, replicas, 1],
  };
  if (blocks === 1) return [main];
  return [
    main,
    {
      shader: 'crossEntropyRecord',
      source: opaqueBounds(traits.software, 'p.rows') + unrolledLoads(recordSource, traits.software),
      uniforms: [blocks, p.rows, p.ring, p.clockWord, clock.replicaStride, record.replicaStride],
      bindings: [read(target), read(clock), write(record)],
      workgroups: [replicas, 1, 1],
    },
  ];
}

function wasm(call: Call, scratch: ShareScratch): WasmCommand[] {
  const p = call.params as unknown as Params;
  const { logits, targets, clock } = call.inputs;
  const { dLogits, record } = call.outputs;
  const replicas = logits.shape[0];
  const words = [
    ...[at(logits), at(targets), at(clock), at(dLogits), at(record), scratch(8 * replicas * p.rows)],
    ...[logits, targets, clock, dLogits, record].map(stride),
    ...[replicas, p.rows, p.classes, p.rowsPerSentence, p.targetRow, p.targetOffset, p.ring, p.clockWord],
  ];
  return [
    { kernel: 'crossEntropy', words, parts: partsFor(replicas * p.rows * (6 * p.classes + 40)) },
    { kernel: 'crossEntropyRecord', words, parts: partsFor(4 * replicas * p.rows) },
  ];
}

/** name, B, T (0: one row a sentence), V, gradient, size of the logits */
type CaseShape = [string, number, number, number, boolean, number];

function cases(): KernelCase[] {
  const shapes: CaseShape[] = [
    ['last token', 37, 0, 16, true, 1],
    ['every token', 5, 7, 11, true, 1],
    ['evaluation of many rows', 3000, 0, 5, false, 1],
    ['many rows, few classes', 4133, 0, 12, true, 1],
    ['many rows, thirty-two classes', 4133, 0, 32, true, 1],
    ['thirty-two classes', 37, 0, 32, true, 1],
    ['huge logits', 9, 0, 6, true, 1e4],
    ['tiny logits', 9, 0, 6, true, 1e-6],
    ['eight lanes', 13, 0, 77, true, 2],
    ['sixty-four lanes', 3, 0, 1030, true, 2],
    ['one row, one class', 1, 0, 1, true, 1],
  ];
  return shapes.map(crossEntropyCase);
}

export function crossEntropyCase([name, batch, positions, classes, gradient, size]: CaseShape): KernelCase {
  return {
    name,
    replicas: 2,
    fill: {
      logits: (_i: number, random: () => number) => size * (2 * random() - 1),
      targets: (_i: number, random: () => number) => Math.floor(random() * classes),
      clock: (i: number) => i + 5,
    },
    // exp and log of the drivers: a few ulp; softmax is at most 1, the loss at most 2 * size + log V.
    rtol: 2 ** -18,
    atol: (2 * size + Math.log(classes) + 1) * 2 ** -20,
    build(plan) {
      const p = plan.program;
      const shape = positions ? [batch, positions, classes] : [batch, classes];
      crossEntropy(plan, {
        label: 'case',
        logits: p.persistent('logits', shape),
        targets: p.persistent('targets', [batch, (positions || 1) + 2], 'u32'),
        targetOffset: 2,
        clock: p.persistent('clock', [3], 'u32'),
        clockWord: 1,
        dLogits: gradient ? p.persistent('dLogits', shape) : undefined,
        record: p.persistent('record', [4, 2]),
      });
    },
  };
}
