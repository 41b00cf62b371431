/** clm: a causal decoder with residuals, layer norms before attention and MLP, and a head at every position. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { tasks } from '../core/tasks.js';
import type { Tensor } from '../plan/types.js';
import type { Net } from './net.js';
import { asIs, type HiddenLayer, type ModelSpec, type Outcome } from './types.js';

type Config = Extract<Experiment['model'], { kind: 'clm' }>;

/**
 * Pre-layer-norm causal decoder for `auto`; for `mask` it predicts each token from those before it and the visible content of its
 * own place. arXiv:2505.07070; scalings as in the authors' code, determined by replaying it.
 */
export const clm: ModelSpec = {
  forward: (net, config) => forward(net, config as Config),
  rateFactor: () => 1,
};

function forward(net: Net, config: Config): Outcome {
  const { channels: C, depth = net.shape.L, tied } = config;
  const { v, symbols, task } = net.shape;
  if (config.dropout > 0 && C % 4 !== 0)
    throw new InputError(
      `model.channels: got ${C}, with model.dropout it must be a multiple of 4; take ${Math.ceil(C / 4) * 4}`,
    );
  const T = tasks[task].rows!(net.shape); // for `auto` the tokens before the last, for `mask` all of them
  const token = net.parameter(asIs('token', [symbols, C], 'normal', 'token_embedding_table.weight'));
  const position = net.parameter(asIs('position', [T, C], 'normal', 'position_embedding_table.weight'));
  let x = net.embed('embedding', token, C, { length: T, whitened: false, scale: 1, position });
  const hidden: HiddenLayer[] = [];
  for (let k = 0; k < depth; k++) {
    x = block(net, `blocks.${k}`, x, config);
    hidden.push({ name: `blocks.${k}`, activation: x, positions: T, units: C });
  }
  x = net.norm('ln_f', x);
  const init = { uniform: C ** -0.5 }; // initial weights of torch.nn.Linear
  // If the token embedding, with its normal weights, serves as head, the sum over C channels is scaled like every other.
  const head = tied ? token : net.parameter(asIs('head', [v, C], init, 'lm_head.weight'));
  const bias = net.parameter(asIs('head.bias', [v], init, 'lm_head.bias'));
  const logits = net.product('head', x, head, v, { form: 'NT', scale: tied ? C ** -0.5 : 1, bias });
  return { logits, hidden };
}

/** x + attention(norm(x)), then y + MLP(norm(y)). */
function block(net: Net, name: string, x: Tensor, { channels: C, heads, ratio, dropout }: Config): Tensor {
  const scale = C ** -0.5;
  const mixed = net.attention(name, net.norm(`${name}.ln1`, x), { heads, causal: true, disk: `${name}.attn` });
  const disk = `${name}.attn.projection`;
  const y = net.linear(`${name}.projection`, mixed, C, { scale, disk, residual: x, dropout });
  const expanded = net.linear(`${name}.expand`, net.norm(`${name}.ln2`, y), ratio * C, {
    ...{ scale, relu: true, disk: `${name}.ffwd.hidden.0.0.weight` },
  });
  const contract = net.parameter(asIs(`${name}.contract`, [ratio * C, C], 'normal', `${name}.ffwd.readout`));
  return net.product(`${name}.contract`, expanded, contract, C, { scale: (ratio * C) ** -0.5, residual: y, dropout });
}
