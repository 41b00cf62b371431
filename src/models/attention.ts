/** mla: token and position embeddings, multi-head self-attention, a linear readout. */
import type { Experiment } from '../core/experiment.js';
import { tasks } from '../core/tasks.js';
import { reshape } from '../plan/builder.js';
import type { Net } from './net.js';
import { asIs, type HiddenLayer, type ModelSpec, type Outcome } from './types.js';

type Config = Extract<Experiment['model'], { kind: 'mla' }>;

/** Multi-layer attention for `last`: no residual, no MLP, no layer norm, no mask. arXiv:2505.07070. */
export const mla: ModelSpec = {
  forward: (net, config) => forward(net, config as Config),
  rateFactor: () => 1,
};

function forward(net: Net, { channels: C, heads, depth = net.shape.L }: Config): Outcome {
  const { v, length: T, classes, task } = net.shape;
  const scale = C ** -0.5;
  const token = net.parameter({
    name: 'token',
    shape: [v, C],
    init: 'normal',
    disk: [{ name: 'token_embedding', shape: [C, v], start: 0, strides: [1, C] }],
  });
  const position = net.parameter(asIs('position', [T, C], 'normal', 'position_embedding.weight'));
  const masked = tasks[task].masked(T);
  let x = net.embed('embedding', token, C, { length: T, whitened: true, masked, scale: v ** -0.5, position });
  const hidden: HiddenLayer[] = [];
  for (let k = 0; k < depth; k++) {
    const block = `blocks.${k}`;
    const lastQueryOnly = k === depth - 1; // only the last position is read out: one query is enough there
    const mixed = net.attention(block, x, { heads, lastQueryOnly, disk: `${block}.sa` });
    x = net.linear(`${block}.projection`, mixed, C, { scale, disk: `${block}.sa.projection` });
    hidden.push({ name: block, activation: x, positions: lastQueryOnly ? 1 : T, units: C });
  }
  // With no block the readout sees the last position of the embedding.
  const logits = net.linear('readout', x, classes, { scale });
  return { logits: reshape(logits, [net.batch, classes]), hidden };
}
