/** hcnn, hlcn and fcn: a first layer on tokens, matmul layers with ReLU, a linear readout. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { tasks } from '../core/tasks.js';
import { reshape } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import type { Net } from './net.js';
import { hiddenSymbolScores } from './parse.js';
import {
  asIs,
  type HiddenLayer,
  type ModelShape,
  type ModelSpec,
  type Outcome,
  type ParameterSpec,
  rowMajor,
} from './types.js';

/** One hidden layer: windows of `filter` inputs, non-overlapping. */
interface Layer {
  filter: number;
  windows: number; // T', output positions
  inputs: number; // channels of one input position: v for the first layer
}

interface Stack {
  layers: Layer[];
  width: number;
  local: boolean;
  bias: boolean; // where the authors' code has it: inside the normalisation, (W x + b) / sqrt(fan-in); in a local layer after it
  length: number; // tokens the first layer sees
  masked: number; // masked position among them, -1 for none
  classes: number;
  readoutScale: number;
  byLevel: boolean; // layer l has one position per symbol of level l
  /** Name and shape of a hidden weight on disk. */
  disk(layer: number): ParameterSpec['disk'];
}

type Hierarchical = Extract<Experiment['model'], { kind: 'hcnn' | 'hlcn' }>;
type FullyConnected = Extract<Experiment['model'], { kind: 'fcn' }>;

export const hcnn: ModelSpec = {
  forward: (net, config) => hierarchical(net, config as Hierarchical, false),
  rateFactor: (config) => meanFieldRate(config as Hierarchical),
};

export const hlcn: ModelSpec = {
  forward: (net, config) => hierarchical(net, config as Hierarchical, true),
  rateFactor: (config) => meanFieldRate(config as Hierarchical),
};

export const fcn: ModelSpec = {
  forward: (net, config) => fullyConnected(net, config as FullyConnected),
  rateFactor: (config) => meanFieldRate(config as FullyConnected),
};

/** w in mean-field scaling, where the readout is divided by w instead of its square root. */
export function meanFieldRate(config: { scaling: 'mean-field' | 'standard'; width: number; depth?: number }): number {
  return config.scaling === 'mean-field' && config.depth !== 0 ? config.width : 1;
}

/** Filter and layers of a network shaped like the tree. @throws InputError if the tokens do not fill its blocks */
export function hierarchyOf(
  { length, s, L }: ModelShape,
  { filter = s, depth = L }: { filter?: number; depth?: number },
): { filter: number; depth: number } {
  const deepest = largestDepth(length, filter);
  if (!Number.isInteger(length / filter ** depth))
    throw new InputError(
      `model.depth: ${depth} layers of filter ${filter} need a multiple of ${filter ** depth} tokens, the task has ` +
        `${length}; take ${deepest ? `a depth of at most ${deepest}` : `model.filter = ${s}, or another divisor of ${length}`}`,
    );
  return { filter, depth };
}

function hierarchical(net: Net, config: Hierarchical, local: boolean): Outcome {
  const { shape } = net;
  const { width, bias, scaling } = config;
  const { filter, depth } = hierarchyOf(shape, config);
  if (shape.task === 'parse' && (filter !== shape.s || depth !== shape.L))
    throw new InputError(
      `model.${filter !== shape.s ? 'filter' : 'depth'}: ${depth} layers of filter ${filter}; task 'parse' reads the symbols of each level from a separate layer; leave model.filter and model.depth out, or take s = ${shape.s} and L = ${shape.L}`,
    );
  const layers = Array.from({ length: depth }, (_, k) => ({
    filter,
    windows: shape.length / filter ** (k + 1),
    inputs: k === 0 ? shape.symbols : width,
  }));
  return stack(net, {
    layers,
    width,
    local,
    bias,
    length: shape.length,
    masked: tasks[shape.task].masked(shape.length),
    classes: shape.classes,
    byLevel: true,
    readoutScale: scaling === 'mean-field' ? 1 / width : width ** -0.5,
    disk(k) {
      const { windows, inputs } = layers[k];
      // Memory: [(window,) offset in the window, input channel, output channel]; disk: [out, in, (window,) offset].
      const [window, offset, input, out] = rowMajor([windows, filter, inputs, width]);
      const name = `hidden.${k}.0.filter`;
      return local
        ? [{ name, shape: [width, inputs, windows, filter], start: 0, strides: [out, input, window, offset] }]
        : [{ name, shape: [width, inputs, filter], start: 0, strides: [out, input, offset] }];
    },
  });
}

function fullyConnected(net: Net, config: FullyConnected): Outcome {
  const { shape } = net;
  const { width, bias, scaling, depth } = config;
  const length = tasks[shape.task].masked(shape.length) < 0 ? shape.length : shape.length - 1; // the last is masked
  if (length < 1)
    throw new InputError('task.context: a fully connected network needs at least one visible token; pass 2 or more');
  const layers = Array.from({ length: depth }, (_, k) => ({
    filter: k === 0 ? length : 1,
    windows: 1,
    inputs: k === 0 ? shape.symbols : width,
  }));
  return stack(net, {
    layers,
    width,
    local: false,
    bias,
    length,
    masked: -1,
    classes: shape.classes,
    byLevel: false,
    readoutScale: scaling === 'mean-field' ? 1 / width : width ** -0.5,
    disk(k) {
      // Transposed. In the first layer the reference flattens [d, v]: input index position * v + u, as in memory.
      const inputs = k > 0 ? width : length * shape.v;
      return [{ name: `hidden.${k}.0.weight`, shape: [width, inputs], start: 0, strides: [1, width] }];
    },
  });
}

function largestDepth(length: number, filter: number): number {
  let depth = 0;
  while (length % filter ** (depth + 1) === 0 && filter > 1) depth++;
  return depth;
}

function stack(net: Net, s: Stack): Outcome {
  const { layers, width, classes, local } = s;
  const { v } = net.shape;
  const tokens = { length: s.length, whitened: true, masked: s.masked };
  const rows = tasks[net.shape.task].rows?.(net.shape) ?? 1;
  const each = tasks[net.shape.task].rows ? [rows, classes] : [classes];
  if (!layers.length) {
    const weight = net.parameter(asIs('readout', [s.length * v, rows * classes], 'normal'));
    const scale = (s.length * v) ** -0.5;
    const logits = net.embed('readout', weight, rows * classes, { ...tokens, filter: s.length, scale });
    return { logits: reshape(logits, [net.batch, ...each]), hidden: [] };
  }
  const hidden: HiddenLayer[] = [];
  let x: Tensor | undefined;
  for (const [k, { filter, windows, inputs }] of layers.entries()) {
    const name = `hidden.${k}`;
    const groups = local ? windows : 1;
    const shape = [groups, filter * inputs, width];
    const weight = net.parameter({ name, shape, init: 'normal', disk: s.disk(k) });
    const bias = s.bias ? net.parameter(biasOf(s, k, groups)) : undefined;
    const scale = (filter * inputs) ** -0.5;
    const inside = !local;
    x = x
      ? net.windows(name, x, weight, filter, width, { local, scale, bias, biasInside: inside, relu: true })
      : net.embed(name, weight, width, {
          ...{ ...tokens, filter, local, scale, position: bias, positionInside: inside, relu: true },
        });
    hidden.push({ name, activation: x, positions: windows, units: width });
  }
  if (net.shape.task === 'parse' && s.byLevel) {
    const from = (level: number) => ({ x: hidden[level - 1].activation, first: 0, step: 1 });
    return { logits: hiddenSymbolScores(net, from, { scale: s.readoutScale, local }), hidden };
  }
  const readout = net.parameter(asIs('readout', [width, rows * classes], 'normal'));
  const logits = net.product('readout', net.mean('mean', x!), readout, rows * classes, { scale: s.readoutScale });
  return { logits: reshape(logits, [net.batch, ...each]), hidden };
}

/** Memory: [(window,) output channel]; disk: [out], for a local layer [1, out, windows]. */
function biasOf({ local, width }: Stack, k: number, groups: number): ParameterSpec {
  const name = `hidden.${k}.0.bias`;
  const shape = local ? [1, width, groups] : [width];
  const strides = local ? [groups * width, 1, width] : [1];
  return {
    name: `hidden.${k}.bias`,
    shape: [groups * width],
    init: 'normal',
    disk: [{ name, shape, start: 0, strides }],
  };
}
