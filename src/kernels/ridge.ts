import source from '../../shaders/ridge.wgsl';
import { ShapeError } from '../core/errors.js';
import { threefry } from '../core/threefry.js';
import { linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import * as reference from '../reference/ridge.js';
import { at, stride } from '../wasm/command.js';
import type { KernelCase, KernelSpec } from './types.js';

export interface RidgeOptions {
  label: string;
  gram: Tensor; // [R, K, B, B], inner products of the features of B sentences in K spaces
  symbols: Tensor; // u32 [R, B, nodes]
  targets: Tensor; // u32 [R, C, 2]: output c is 1 where the symbol of node targets[c, 0] is targets[c, 1], else 0
  scores: Tensor; // [R, K, sentences predicted, C]; the other B - sentences, the first ones, are fitted
}

interface Params extends reference.RidgeShape {
  spaces: number;
  nodes: number;
}

const MOST_FITTED = 2048; // two arrays of 4 bytes each fill WebGPU's 16 KiB of workgroup memory

/**
 * Adds ridge regression of one-hot symbols on features of which only inner products are known: scores of the sentences that are
 * not fitted. Features and targets are centred; the penalty is 10^-3 of the features' variance. @throws ShapeError
 */
export function ridge(plan: PlanBuilder, { label, gram, symbols, targets, scores }: RidgeOptions): void {
  const [, spaces, batch, columnsOfGram] = gram.shape;
  const [, , predicted, columns] = scores.shape;
  const fit = batch - predicted;
  if (gram.shape.length !== 4 || columnsOfGram !== batch || scores.shape.length !== 4 || scores.shape[1] !== spaces)
    throw new ShapeError(`ridge (${label}): gram [${gram.shape}], scores [${scores.shape}]; pass K spaces of B x B`);
  if (!(fit >= 1 && fit <= MOST_FITTED))
    throw new ShapeError(`ridge (${label}): ${fit} of ${batch} sentences are fitted; take 1 to ${MOST_FITTED}`);
  if (symbols.shape[1] !== batch || targets.shape[1] !== columns || targets.shape[2] !== 2)
    throw new ShapeError(
      `ridge (${label}): symbols [${symbols.shape}], targets [${targets.shape}] for B = ${batch}, C = ${columns}`,
    );
  const params = { batch, fit, columns, spaces, nodes: symbols.shape[2] };
  plan.call({ op: 'ridge', label, inputs: { gram, symbols, targets }, outputs: { scores }, params });
}

export const ridgeKernel: KernelSpec = {
  op: 'ridge',
  reference(call, { gram, symbols, targets, scores }) {
    const s = call.params as unknown as Params;
    for (let r = 0; r < call.inputs.gram.shape[0]; r++)
      for (let k = 0; k < s.spaces; k++) {
        const one = (b: number, c: number) => {
          const target = r * targets.stride + 2 * c;
          const symbol = symbols.data[r * symbols.stride + b * s.nodes + targets.data[target]];
          return symbol === targets.data[target + 1];
        };
        const matrix = r * gram.stride + k * s.batch ** 2;
        const output = r * scores.stride + k * (s.batch - s.fit) * s.columns;
        const out = scores.data.subarray(output) as Float64Array;
        reference.ridge(s, gram.data.subarray(matrix, matrix + s.batch ** 2), one, out);
      }
  },
  webgpu(call, _traits, scratch) {
    const { batch, fit, columns, spaces, nodes } = call.params as unknown as Params;
    const { gram, symbols, targets } = call.inputs;
    const { scores } = call.outputs;
    const replicas = gram.shape[0];
    const strides = [gram, symbols, targets, scores].map((t) => t.replicaStride);
    return [
      {
        shader: 'ridge',
        source,
        constants: { FIT: fit, PENALTY: reference.PENALTY, FLOOR: reference.FLOOR },
        uniforms: [spaces, batch, columns, nodes, ...strides, replicas * spaces],
        bindings: [
          ...[gram, symbols, targets].map((t) => read(t)),
          write(scratch(0, [replicas, spaces, fit + 1, batch + columns])),
          write(scores),
        ],
        workgroups: linearGrid(replicas * spaces),
      },
    ];
  },
  wasm(call) {
    const { batch, fit, columns, spaces, nodes } = call.params as unknown as Params;
    const { gram, symbols, targets } = call.inputs;
    const { scores } = call.outputs;
    const replicas = gram.shape[0];
    const tensors = [gram, symbols, targets, scores];
    const rows = 4 * Math.ceil((batch + columns + 1) / 4);
    return [
      {
        kernel: 'ridge',
        words: [
          ...tensors.map(at),
          ...tensors.map(stride),
          ...[replicas, spaces, batch, fit, columns, nodes],
          { f32: reference.PENALTY },
          { f32: reference.FLOOR },
        ],
        parts: replicas * spaces,
        threadBytes: 8 * (rows * 2 * Math.ceil(fit / 2) + rows + 8),
      },
    ];
  },
  cost(call) {
    const { batch, fit, columns, spaces } = call.params as unknown as Params;
    const units = call.inputs.gram.shape[0] * spaces;
    const eliminated = fit * fit * (batch - fit / 2 + columns); // a product and a sum for each pair of rows, half of them
    return {
      flops: units * (eliminated - fit ** 3 / 6 + 2 * (batch - fit) * columns * fit),
      bytes: 4 * units * (batch * batch + (batch - fit) * columns),
    };
  },
  cases: [
    ridgeCase('more features than sentences', { fit: 24, predicted: 9, features: 96, nodes: 3, columns: 7, spaces: 2 }),
    ridgeCase('few features', { fit: 33, predicted: 4, features: 3, nodes: 2, columns: 4, spaces: 1 }),
    ridgeCase('one is fitted', { fit: 1, predicted: 5, features: 4, nodes: 1, columns: 2, spaces: 3 }),
    ridgeCase('features that do not vary', { fit: 6, predicted: 3, features: 0, nodes: 2, columns: 300, spaces: 1 }),
  ],
};

interface CaseShape {
  fit: number;
  predicted: number;
  features: number; // 0: none varies
  nodes: number;
  columns: number;
  spaces: number;
}

/** Random features of mean 1 and deviation 0.6, other ones in every replica and space. */
function ridgeCase(name: string, s: CaseShape): KernelCase {
  const batch = s.fit + s.predicted;
  const F = Math.max(1, s.features);
  let features = new Float64Array(0);
  const draw = (random: () => number) =>
    Float64Array.from({ length: s.spaces * batch * F }, () => (s.features ? 2 * random() : 1));
  return {
    name,
    replicas: 3,
    fill: {
      gram: (i, random) => {
        if (i === 0) features = draw(random);
        const space = Math.floor(i / batch ** 2);
        const [a, b] = [Math.floor(i / batch) % batch, i % batch].map((row) => (space * batch + row) * F);
        let sum = 0;
        for (let f = 0; f < F; f++) sum += features[a + f] * features[b + f];
        return sum / F;
      },
      symbols: (_, random) => Math.floor(3 * random()),
      targets: (i) => (i % 2 ? threefry([i, 1], 0, 0)[0] % 3 : threefry([i, 2], 0, 0)[0] % s.nodes),
    },
    // Solving errs by (fit + 1) 2^-24 times the condition of K + penalty. With more features than sentences its eigenvalues are
    // of one size; with fewer they are fit / features times the mean variance, the penalty 10^-3 of it.
    rtol: 0,
    atol: (s.fit + 1) * 2 ** -24 * (s.features > s.fit ? 32 : 1000 * Math.max(1, s.fit / F)),
    build(plan) {
      const p = plan.program;
      ridge(plan, {
        label: 'case',
        gram: p.persistent('gram', [s.spaces, batch, batch]),
        symbols: p.persistent('symbols', [batch, s.nodes], 'u32'),
        targets: p.persistent('targets', [s.columns, 2], 'u32'),
        scores: p.persistent('scores', [s.spaces, s.predicted, s.columns]),
      });
    },
  };
}
