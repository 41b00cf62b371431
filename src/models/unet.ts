/** unet: convolutions up the tree, and back down from its root to a prediction at every token. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { reshape } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import { hierarchyOf, meanFieldRate } from './convolutional.js';
import type { Net } from './net.js';
import { asIs, type HiddenLayer, type ModelSpec, type Outcome, type ParameterSpec, rowMajor } from './types.js';

type Config = Extract<Experiment['model'], { kind: 'unet' }>;

/**
 * A U-Net shaped like the tree. Up, as hcnn: e_l = relu(conv(e_(l-1))), e_0 the tokens, filter = stride = s. Down: the position
 * above a block of s positions, d_l, and the block itself, e_(l-1), give its s positions d_(l-1) = relu(up d_l + skip e_(l-1)),
 * starting with d_L = e_L. A position thus receives information from its parent and its siblings, like the messages of belief
 * propagation. The comparison is from arXiv:2404.18444, 2502.12089.
 */
export const unet: ModelSpec = {
  forward: (net, config) => forward(net, config as Config),
  rateFactor: (config) => meanFieldRate(config as Config),
};

function forward(net: Net, config: Config): Outcome {
  const { width, scaling } = config;
  const { length: T, symbols, classes } = net.shape;
  const { filter: s, depth } = hierarchyOf(net.shape, config);
  if (width % 4 !== 0)
    throw new InputError(
      `model.width: got ${width}, for a unet it must be a multiple of 4; take ${4 * Math.ceil(width / 4)}`,
    );
  const tokens = { length: T, whitened: true, filter: s };
  const hidden: HiddenLayer[] = [];
  const keep = (name: string, activation: Tensor) => {
    hidden.push({ name, activation, positions: activation.shape[2], units: width });
    return activation;
  };

  const up: Tensor[] = []; // up[l - 1]: e_l, [R, B, T / s^l, w]
  for (let l = 1; l <= depth; l++) {
    const name = `encoder.${l - 1}`;
    const inputs = l === 1 ? symbols : width;
    const weight = net.parameter(convolution(name, inputs, width, s));
    const scale = (s * inputs) ** -0.5;
    up.push(
      keep(
        name,
        l === 1
          ? net.embed(name, weight, width, { ...tokens, scale, relu: true })
          : net.windows(name, up[l - 2], weight, s, width, { local: false, scale, relu: true }),
      ),
    );
  }

  let x = up[depth - 1];
  for (let l = depth; l >= 1; l--) {
    const name = `decoder.${l - 1}`;
    const inputs = l === 1 ? symbols : width;
    const scale = (width + s * inputs) ** -0.5; // like one layer with the inputs of both products
    const beside = net.parameter(convolution(`${name}.skip`, inputs, s * width, s));
    const block =
      l === 1
        ? net.embed(`${name}.skip`, beside, s * width, { ...tokens, scale })
        : net.windows(`${name}.skip`, up[l - 2], beside, s, s * width, { local: false, scale });
    const weight = net.parameter(transposed(`${name}.up`, width, s));
    const sum = net.product(`${name}.up`, x, weight, s * width, { scale, residual: block });
    x = keep(name, net.relu(name, reshape(sum, [net.batch, T / s ** (l - 1), width])));
  }
  const readout = net.parameter(asIs('readout', [width, classes], 'normal'));
  const logits = net.product('readout', x, readout, classes, {
    scale: scaling === 'mean-field' ? 1 / width : width ** -0.5,
  });
  return { logits, hidden };
}

/** Memory: [offset in the window, input channel, output channel]; disk: [out, in, offset]. */
function convolution(name: string, inputs: number, outputs: number, s: number): ParameterSpec {
  const shape = [s, inputs, outputs];
  const [offset, input, out] = rowMajor(shape);
  return {
    ...{ name, shape: [s * inputs, outputs], init: 'normal' },
    disk: [{ name: `${name}.filter`, shape: [outputs, inputs, s], start: 0, strides: [out, input, offset] }],
  };
}

/** A convolution from each position to s of them. Memory: [input channel, offset, output channel]; disk: [in, out, offset]. */
function transposed(name: string, width: number, s: number): ParameterSpec {
  const [input, offset, out] = rowMajor([width, s, width]);
  return {
    ...{ name, shape: [width, s * width], init: 'normal' },
    disk: [{ name: `${name}.filter`, shape: [width, width, s], start: 0, strides: [input, out, offset] }],
  };
}
