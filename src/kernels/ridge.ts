import source from '../../shaders/ridge.wgsl';
import { threefry } from '../core/threefry.js';
import { linearGrid, read, write } from '../gpu/dispatch.js';
import * as reference from '../reference/ridge.js';
import { defineOperation } from './shared/operation.js';
import type { KernelCase } from './shared/types.js';

const MOST_FITTED = 2048; // two arrays of 4 bytes each fill WebGPU's 16 KiB of workgroup memory

/**
 * Ridge regression of one-hot symbols on features of which only inner products are known (gram, of a batch in K spaces). The first
 * sentences are fitted; scores are those of the others. Output c is 1 if the symbol of node targets[c, 0] is targets[c, 1], else
 * 0. Features and targets are centred; the penalty is 10^-3 times the features' variance.
 */
export const ridge = defineOperation({
  name: 'ridge',
  inputs: { gram: 'R spaces batch batch', symbols: 'u32 R batch nodes', targets: 'u32 R columns 2' },
  outputs: { scores: 'R spaces predicted columns' },
  sizes: { fit: ({ batch, predicted }) => Math.max(0, batch - predicted) },
  check({ fit, batch }, refuse) {
    if (!(fit >= 1 && fit <= MOST_FITTED)) refuse(`${fit} of ${batch} sentences are fitted; take 1 to ${MOST_FITTED}`);
  },
  reference({ gram, symbols, targets, scores }, s) {
    const one = (b: number, c: number) => symbols[b * s.nodes + targets[2 * c]] === targets[2 * c + 1];
    for (let k = 0; k < s.spaces; k++) {
      const matrix = gram.subarray(k * s.batch ** 2, (k + 1) * s.batch ** 2);
      reference.ridge(s, matrix, one, scores.subarray(k * s.predicted * s.columns));
    }
  },
  webgpu({ inputs, outputs, params: { batch, fit, columns, spaces }, replicas, launch }, _traits, scratch) {
    const { gram, symbols, targets } = inputs;
    const z = scratch(0, [replicas, spaces, fit + 1, batch + columns]);
    return [
      launch({
        source,
        constants: { FIT: fit, PENALTY: reference.PENALTY, FLOOR: reference.FLOOR },
        words: { units: replicas * spaces },
        bind: { gram, symbols, targets: read(targets, 'vec2u'), z: write(z), ...outputs },
        workgroups: linearGrid(replicas * spaces),
      }),
    ];
  },
  wasm: {
    scratch: true,
    words: { penalty: 'f32', floor: 'f32' },
    launch({ params: { batch, fit, columns, spaces }, replicas }) {
      const rows = 4 * Math.ceil((batch + columns + 1) / 4);
      return [
        {
          words: { penalty: reference.PENALTY, floor: reference.FLOOR },
          parts: replicas * spaces,
          threadBytes: 8 * (rows * 2 * Math.ceil(fit / 2) + rows + 8),
        },
      ];
    },
  },
  cost({ batch, fit, columns, spaces }) {
    const eliminated = fit * fit * (batch - fit / 2 + columns); // a product and a sum for half of the pairs of rows
    return {
      flops: spaces * (eliminated - fit ** 3 / 6 + 2 * (batch - fit) * columns * fit),
      bytes: 4 * spaces * (batch * batch + (batch - fit) * columns),
    };
  },
  cases: () => [
    ridgeCase('more features than sentences', { fit: 24, predicted: 9, features: 96, nodes: 3, columns: 7, spaces: 2 }),
    ridgeCase('few features', { fit: 33, predicted: 4, features: 3, nodes: 2, columns: 4, spaces: 1 }),
    ridgeCase('one is fitted', { fit: 1, predicted: 5, features: 4, nodes: 1, columns: 2, spaces: 3 }),
    ridgeCase('features that do not vary', { fit: 6, predicted: 3, features: 0, nodes: 2, columns: 300, spaces: 1 }),
  ],
});

interface CaseShape {
  fit: number;
  predicted: number;
  features: number; // 0: none varies
  nodes: number;
  columns: number;
  spaces: number;
}

/** Random features of mean 1 and deviation 0.6, different in every replica and space. */
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
    // The error of solving is (fit + 1) 2^-24 times the condition number of K + penalty. With more features than sentences its
    // eigenvalues are of similar size; with fewer they are fit / features times the mean variance, the penalty 10^-3 of it.
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
