/** mla: token and position embeddings, multi-head self-attention, a linear readout. */
import type { Experiment } from '../core/experiment.js';
import { tasks } from '../core/tasks.js';
import type { Tensor } from '../plan/types.js';
import type { Net } from './net.js';
import { hiddenSymbolScores } from './parse.js';
import { asIs, type HiddenLayer, type ModelSpec, type Outcome } from './types.js';

type Config = Extract<Experiment['model'], { kind: 'mla' }>;

/**
 * Multi-layer attention, read out at the last position, for `mask` at every one, for `parse` at the last token of each symbol: no
 * residual, no MLP, no norm, no mask (arXiv:2505.07070). With `residual`, `ratio` and `norm` it is an ordinary pre-norm
 * transformer; each option can be used alone.
 */
export const mla: ModelSpec = {
  forward: (net, config) => forward(net, config as Config),
  rateFactor: () => 1,
};

function forward(net: Net, config: Config): Outcome {
  const { channels: C, depth = net.shape.L, residual = false } = config;
  const { symbols: v, length: T, s, classes, task } = net.shape;
  const token = net.parameter({
    name: 'token',
    shape: [v, C],
    init: 'normal',
    disk: [{ name: 'token_embedding', shape: [C, v], start: 0, strides: [1, C] }],
  });
  const position = net.parameter(asIs('position', [T, C], 'normal', 'position_embedding.weight'));
  const masked = tasks[task].masked(T);
  const last = tasks[task].rows === undefined; // one prediction, read out at the last position
  let x = net.embed('embedding', token, C, { length: T, whitened: true, masked, scale: v ** -0.5, position });
  const hidden: HiddenLayer[] = [];
  for (let k = 0; k < depth; k++) {
    // If only the last position is read out one query is enough, unless its residual comes from all positions.
    x = block(net, `blocks.${k}`, x, config, last && k === depth - 1 && !residual);
    hidden.push({ name: `blocks.${k}`, activation: x, positions: x.shape[2], units: C });
  }
  if (config.norm) x = net.norm('norm', x, config.norm);
  if (task === 'parse') {
    // A symbol is read at the position of its last token.
    const from = (level: number) => ({ x, first: s ** level - 1, step: s ** level });
    return { logits: hiddenSymbolScores(net, from, { form: 'NT', scale: C ** -0.5 }), hidden };
  }
  const weight = net.parameter(asIs('readout', [classes, C], 'normal'));
  const logits = net.product('readout', x, weight, classes, { form: 'NT', scale: C ** -0.5, last });
  return { logits, hidden };
}

function block(net: Net, name: string, x: Tensor, config: Config, lastQueryOnly: boolean): Tensor {
  const { channels: C, heads, residual, ratio, norm } = config;
  const scale = C ** -0.5;
  const normed = (part: string, y: Tensor) => (norm ? net.norm(`${name}.${part}`, y, norm) : y);
  const mixed = net.attention(name, normed('norm1', x), { heads, lastQueryOnly, disk: `${name}.sa` });
  const disk = `${name}.sa.projection`;
  const y = net.linear(`${name}.projection`, mixed, C, { scale, disk, residual: residual ? x : undefined });
  if (ratio === undefined) return y;
  const expanded = net.linear(`${name}.expand`, normed('norm2', y), ratio * C, { scale, relu: true });
  const contract = { scale: (ratio * C) ** -0.5, residual: residual ? y : undefined };
  return net.linear(`${name}.contract`, expanded, C, contract);
}
