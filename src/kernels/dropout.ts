import source from '../../shaders/dropout.wgsl';
import threefrySource from '../../shaders/threefry.wgsl';
import { clockWords } from '../core/clock.js';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/dropout.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { f32, u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/**
 * output = input / (1 - p) where the mask keeps an element, else 0; overwrites. The mask is a function of (key, step, layer,
 * element): the backward pass calls this again with dOutput as input and dInput as output. keys: of the stream `dropout`; layer:
 * distinguishes the dropouts of one step; clockWord: index of the step in clock.
 */
export const dropout = defineOperation({
  name: 'dropout',
  inputs: { input: 'R ...elements', keys: 'u32 R 2', clock: 'u32 R ...words' },
  outputs: { output: 'R ...elements' }, // another tensor than input
  params: {
    layer: u32(),
    probability: f32({ least: 0, below: 1 }), // probability that an element is dropped
    clockWord: u32({ default: clockWords.step }),
  },
  check({ clock, words, clockWord }, refuse) {
    if (clockWord >= words) refuse(`clock [${clock.shape}] has no word ${clockWord}`);
  },
  reference: ({ input, keys, clock, output }, { elements, probability, clockWord, layer }) =>
    reference.dropout(elements, probability, keys, clock[clockWord], layer, input, output),
  webgpu({ params: { elements, probability }, replicas, launch }) {
    const threshold = reference.dropThreshold(probability);
    return [
      launch({
        source: threefrySource + source,
        words: { threshold, factor: { f32: 1 / (1 - probability) } },
        workgroups: linearGrid(Math.ceil((Math.ceil(elements / 2) * replicas) / 64)),
      }),
    ];
  },
  wasm: {
    words: { threshold: 'u32', factor: 'f32' },
    launch: ({ params: { elements, probability }, replicas }) => [
      {
        words: { threshold: reference.dropThreshold(probability), factor: 1 / (1 - probability) },
        parts: partsFor(16 * replicas * elements),
      },
    ],
  },
  cost: ({ elements }) => ({ flops: elements, bytes: 8 * elements }),
  gradient({ label, inputs: { input, keys, clock }, outputs, params: { layer, probability, clockWord } }, pass) {
    pass.add({
      input,
      write: ({ tensor: output }) =>
        dropout(pass.plan, {
          ...{ label: `${label} gradient`, input: pass.of(outputs.output), output },
          ...{ keys, clock, layer, probability, clockWord },
        }),
    });
  },
  cases: () => [
    { name: 'odd number of elements', ...dropoutCase(3, [3, 37], 0.1, 0) },
    { name: 'half dropped, layer 5', ...dropoutCase(3, [4, 3, 8], 0.5, 5) },
    { name: 'nothing dropped', ...dropoutCase(3, [9], 0, 1) },
    { name: 'one element', ...dropoutCase(3, [1], 0.75, 2) },
  ],
});

export function dropoutCase(
  replicas: number,
  shape: number[],
  probability: number,
  layer: number,
): Omit<KernelCase, 'name'> {
  const word = (_i: number, random: () => number) => Math.floor(random() * 2 ** 32);
  return {
    replicas,
    fill: { keys: word, clock: word },
    rtol: 2 ** -22, // one product with a rounded 1 / (1 - p); the mask must be exact
    atol: 0,
    build(plan) {
      const p = plan.program;
      dropout(plan, {
        label: 'case',
        input: p.persistent('input', shape),
        output: p.persistent('output', shape),
        keys: p.persistent('keys', [2], 'u32'),
        clock: p.persistent('clock', [8], 'u32'),
        layer,
        probability,
      });
    },
  };
}
