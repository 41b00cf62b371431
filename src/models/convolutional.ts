/** hcnn, hlcn and fcn: a first layer on tokens, matmul layers with ReLU, a linear readout. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { tasks } from '../core/tasks.js';
import { columnSum } from '../kernels/columnSum.js';
import { embed } from '../kernels/embed.js';
import { embedBackward } from '../kernels/embedBackward.js';
import { matmul } from '../kernels/matmul.js';
import { meanPositions } from '../kernels/meanPositions.js';
import { meanPositionsBackward } from '../kernels/meanPositionsBackward.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import {
  asIs,
  type Forward,
  type ForwardOptions,
  type Model,
  type ModelShape,
  type ModelSpec,
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
  bias: boolean; // of the authors' code: inside the normalisation, (W x + b) / sqrt(fan-in); of a local layer after it
  length: number; // tokens the first layer sees
  masked: number; // masked position among them, -1 for none
  classes: number;
  shape: ModelShape;
  readoutScale: number;
  /** Disk name and shape of a hidden weight. */
  disk(layer: number): ParameterSpec['disk'];
}

type Hierarchical = Extract<Experiment['model'], { kind: 'hcnn' | 'hlcn' }>;
type FullyConnected = Extract<Experiment['model'], { kind: 'fcn' }>;

export const hcnn: ModelSpec = {
  kind: 'hcnn',
  create: (config, shape) => hierarchical(config as Hierarchical, shape, false),
  rateFactor: (config) => meanFieldRate(config as Hierarchical),
};

export const hlcn: ModelSpec = {
  kind: 'hlcn',
  create: (config, shape) => hierarchical(config as Hierarchical, shape, true),
  rateFactor: (config) => meanFieldRate(config as Hierarchical),
};

export const fcn: ModelSpec = {
  kind: 'fcn',
  create: (config, shape) => fullyConnected(config as FullyConnected, shape),
  rateFactor: (config) => meanFieldRate(config as FullyConnected),
};

function meanFieldRate(config: { scaling: 'mean-field' | 'standard'; width: number; depth?: number }): number {
  return config.scaling === 'mean-field' && config.depth !== 0 ? config.width : 1;
}

function hierarchical(config: Hierarchical, shape: ModelShape, local: boolean): Model {
  const { width, bias, scaling, filter = shape.s, depth = shape.L } = config;
  const positions = shape.length / filter ** depth;
  const deepest = largestDepth(shape.length, filter);
  if (!Number.isInteger(positions))
    throw new InputError(
      `model.depth: ${depth} layers of filter ${filter} need a multiple of ${filter ** depth} tokens, the task has ` +
        `${shape.length}; take ${deepest ? `a depth of at most ${deepest}` : `model.filter = ${shape.s}, or another divisor of ${shape.length}`}`,
    );
  const layers = Array.from({ length: depth }, (_, k) => ({
    filter,
    windows: shape.length / filter ** (k + 1),
    inputs: k === 0 ? shape.v : width,
  }));
  return stack({
    layers,
    width,
    local,
    bias,
    length: shape.length,
    masked: tasks[shape.task].masked(shape.length),
    classes: shape.classes,
    shape,
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

function fullyConnected(config: FullyConnected, shape: ModelShape): Model {
  const { width, bias, scaling, depth } = config;
  const length = tasks[shape.task].masked(shape.length) < 0 ? shape.length : shape.length - 1; // the last is masked
  if (length < 1)
    throw new InputError('task.context: a fully connected network needs at least one visible token; pass 2 or more');
  const layers = Array.from({ length: depth }, (_, k) => ({
    filter: k === 0 ? length : 1,
    windows: 1,
    inputs: k === 0 ? shape.v : width,
  }));
  return stack({
    layers,
    width,
    local: false,
    bias,
    length,
    masked: -1,
    classes: shape.classes,
    shape,
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

function stack(s: Stack): Model {
  const { layers, width, classes } = s;
  const depth = layers.length;
  const parameters: ParameterSpec[] = layers.flatMap((layer, k) => {
    const groups = s.local ? layer.windows : 1;
    const weight: ParameterSpec = {
      name: `hidden.${k}`,
      shape: [groups, layer.filter * layer.inputs, width],
      init: 'normal',
      disk: s.disk(k),
    };
    return s.bias ? [weight, biasOf(s, k, groups)] : [weight];
  });
  parameters.push(asIs('readout', [depth > 0 ? width : s.length * s.shape.v, classes], 'normal'));
  return { parameters, forward: (plan, options) => forward(s, plan, options) };
}

/** Memory: [(window,) output channel]; disk: [out], of a local layer [1, out, windows]. */
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

function forward(s: Stack, plan: PlanBuilder, { tokens, batch }: ForwardOptions): Forward {
  const { layers, width, classes, shape } = s;
  const program = plan.program;
  const depth = layers.length;
  const scaleOf = (k: number) => (layers[k].filter * layers[k].inputs) ** -0.5;
  const first = {
    tokens,
    v: shape.v,
    firstToken: shape.firstToken,
    length: s.length,
    whitened: true,
    masked: s.masked,
  };
  if (depth === 0) {
    const logits = plan.activation('logits', [batch, 1, classes]);
    const options = { ...first, label: 'readout', filter: s.length, scale: (s.length * shape.v) ** -0.5 };
    embed(plan, { ...options, weight: program.parameter('readout'), output: logits });
    const backward = (dLogits: Tensor) =>
      embedBackward(plan, {
        ...options,
        label: 'readout gradient',
        dOutput: { ...dLogits, shape: [plan.replicas, batch, 1, classes] },
        dWeight: program.gradient('readout'),
      });
    return { logits: { ...logits, shape: [plan.replicas, batch, classes] }, hidden: [], backward };
  }

  const h: Tensor[] = layers.map((layer, k) => plan.activation(`hidden.${k}`, [batch, layer.windows, width]));
  const embedOptions = { ...first, label: 'hidden.0', filter: layers[0].filter, scale: scaleOf(0), local: s.local };
  embed(plan, {
    ...embedOptions,
    weight: program.parameter('hidden.0'),
    position: s.bias ? program.parameter('hidden.0.bias') : undefined,
    positionInside: !s.local,
    output: h[0],
    relu: true,
  });
  for (let k = 1; k < depth; k++)
    matmul(plan, {
      ...views(s, k, batch, h[k - 1], program.parameter(`hidden.${k}`), h[k]),
      label: `hidden.${k}`,
      scale: scaleOf(k),
      bias: s.bias ? program.parameter(`hidden.${k}.bias`) : undefined,
      biasInside: !s.local,
      relu: true,
    });

  const positions = layers[depth - 1].windows;
  let features = h[depth - 1];
  if (positions > 1) {
    features = plan.activation('mean', [batch, width]);
    meanPositions(plan, { label: 'mean', input: h[depth - 1], output: features });
  }
  const logits = plan.activation('logits', [batch, classes]);
  matmul(plan, {
    label: 'readout',
    m: batch,
    n: classes,
    k: width,
    a: { tensor: features, row: width },
    b: { tensor: program.parameter('readout') },
    c: { tensor: logits },
    scale: s.readoutScale,
  });

  const backward = (dLogits: Tensor) => {
    // The input's gradient first: a GPU may change the weight in place of writing the weight's (src/kernels/fuseUpdate.ts).
    let dh = plan.activation(`dHidden.${depth - 1}`, [batch, positions, width]);
    const dFeatures = positions > 1 ? plan.activation('dMean', [batch, width]) : dh;
    matmul(plan, {
      label: 'readout input gradient',
      form: 'NT',
      m: batch,
      n: width,
      k: classes,
      a: { tensor: dLogits },
      b: { tensor: program.parameter('readout') },
      c: { tensor: dFeatures, row: width },
      mask: positions > 1 ? undefined : h[depth - 1],
      scale: s.readoutScale,
    });
    matmul(plan, {
      label: 'readout gradient',
      form: 'TN',
      m: width,
      n: classes,
      k: batch,
      a: { tensor: features, row: width },
      b: { tensor: dLogits },
      c: { tensor: program.gradient('readout') },
      scale: s.readoutScale,
    });
    if (positions > 1)
      meanPositionsBackward(plan, { label: 'mean gradient', dOutput: dFeatures, mask: h[depth - 1], dInput: dh });
    for (let k = depth - 1; k >= 0; k--) {
      const layer = layers[k];
      if (s.bias) {
        // A shared filter's bias sums over positions too; a local one has its own at every position.
        const columns = s.local ? layer.windows * width : width;
        const rows = (batch * layer.windows * width) / columns;
        columnSum(plan, {
          label: `hidden.${k}.bias gradient`,
          input: { ...dh, shape: [plan.replicas, rows, columns] },
          output: program.gradient(`hidden.${k}.bias`),
          scale: s.local ? 1 : scaleOf(k),
        });
      }
      if (k === 0) break;
      const { groups, rows, filterWidth, weight } = sizes(s, k, batch);
      const dx = plan.activation(`dHidden.${k - 1}`, [batch, layers[k - 1].windows, width]);
      matmul(plan, {
        label: `hidden.${k} input gradient`,
        form: 'NT',
        groups,
        m: rows,
        n: filterWidth,
        k: width,
        a: { tensor: dh, row: groups * width, group: width },
        b: { tensor: program.parameter(`hidden.${k}`), group: weight },
        c: { tensor: dx, row: groups * filterWidth, group: filterWidth },
        mask: h[k - 1],
        scale: scaleOf(k),
      });
      matmul(plan, {
        label: `hidden.${k} gradient`,
        form: 'TN',
        groups,
        m: filterWidth,
        n: width,
        k: rows,
        a: { tensor: h[k - 1], row: groups * filterWidth, group: filterWidth },
        b: { tensor: dh, row: groups * width, group: width },
        c: { tensor: program.gradient(`hidden.${k}`), group: weight },
        scale: scaleOf(k),
      });
      dh = dx;
    }
    embedBackward(plan, {
      ...embedOptions,
      label: 'hidden.0 gradient',
      dOutput: dh,
      dWeight: program.gradient('hidden.0'),
    });
  };
  const hidden = h.map((activation, k) => ({
    name: `hidden.${k}`,
    activation,
    positions: layers[k].windows,
    units: width,
  }));
  return { logits, hidden, backward };
}

function sizes(s: Stack, k: number, batch: number) {
  const { filter, windows, inputs } = s.layers[k];
  const groups = s.local ? windows : 1;
  const filterWidth = filter * inputs;
  return { groups, rows: (batch * windows) / groups, filterWidth, weight: groups > 1 ? filterWidth * s.width : 0 };
}

/** The product of layer k >= 1: windows of the input are its rows, because filter = stride. */
function views(s: Stack, k: number, batch: number, input: Tensor, weight: Tensor, output: Tensor) {
  const { groups, rows, filterWidth, weight: weightGroup } = sizes(s, k, batch);
  return {
    groups,
    m: rows,
    n: s.width,
    k: filterWidth,
    a: { tensor: input, row: groups * filterWidth, group: filterWidth },
    b: { tensor: weight, group: weightGroup },
    c: { tensor: output, row: groups * s.width, group: s.width },
  };
}
