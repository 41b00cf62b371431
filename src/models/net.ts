/**
 * The layers from which forward passes are written. A layer adds its calls to a plan, declares its parameters under its name and
 * returns its result. Gradients follow from the recorded calls (src/plan/backward.ts).
 */
import { InputError, ShapeError } from '../core/errors.js';
import { attention } from '../kernels/attention.js';
import { blend } from '../kernels/blend.js';
import { dropout } from '../kernels/dropout.js';
import { embed } from '../kernels/embed.js';
import { layerNorm } from '../kernels/layerNorm.js';
import { matmul } from '../kernels/matmul.js';
import { meanPositions } from '../kernels/meanPositions.js';
import { multiply } from '../kernels/multiply.js';
import { rmsNorm } from '../kernels/rmsNorm.js';
import { softmax } from '../kernels/softmax.js';
import { type PlanBuilder, reshape } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import { asIs, type DiskPart, type ForwardOptions, type Init, type ModelShape, type ParameterSpec } from './types.js';

/** Optional additions to a product. */
export interface ProductOptions {
  scale: number;
  bias?: Tensor; // [R, units], or one per group
  biasInside?: boolean; // scaled with the product
  relu?: boolean;
  residual?: Tensor; // same shape as the result, added last
  dropout?: number; // probability, before the residual
  last?: boolean; // only the last position of x [R, B, T, C], giving [R, B, units]
}

export interface EmbedLayer {
  filter?: number; // tokens per window; default 1
  length: number; // number of tokens used, starting with the first used one
  whitened: boolean;
  masked?: number; // index of the masked token among the used ones; default none
  local?: boolean; // a separate filter for every window
  scale: number;
  position?: Tensor; // [R, T', w], or [R, w] for all windows
  positionInside?: boolean; // scaled with the product
  relu?: boolean;
}

export interface AttentionLayer {
  heads: number;
  causal?: boolean;
  lastQueryOnly?: boolean; // the result has one position, the last
  disk: string; // q, k and v on disk: `${disk}.query`, ...
}

export class Net {
  #dropouts = 0;

  constructor(
    readonly plan: PlanBuilder,
    readonly shape: ModelShape,
    readonly options: ForwardOptions,
    /** A parameter by its specification; the code that builds the program has declared it by then. */
    readonly parameter: (spec: ParameterSpec) => Tensor,
  ) {}

  /** A parameter [rows, columns], stored on disk as in memory. */
  matrix(name: string, rows: number, columns: number, init: Init = 'normal'): Tensor {
    return this.parameter(asIs(name, [rows, columns], init));
  }

  /** The precision parameters of every product. */
  get precision(): { half: boolean; scaling?: Tensor } {
    return { half: this.shape.precision === 'f16', scaling: this.options.scaling };
  }

  get batch(): number {
    return this.options.batch;
  }

  /**
   * relu(scale * x W + position) of the tokens' one-hot windows; weight [R, (T',) filter v, w], v: shape.symbols. @returns [R, B, T', w]
   */
  embed(label: string, weight: Tensor, width: number, o: EmbedLayer): Tensor {
    const { filter = 1, length, ...rest } = o;
    const { tokens } = this.options;
    const { symbols: v, firstToken } = this.shape;
    const output = this.plan.activation(label, [this.batch, Math.floor(length / filter), width]);
    embed(this.plan, { ...rest, label, tokens, weight, output, v, filter, firstToken, length });
    return output;
  }

  /**
   * op(x) W over the last dimension; weight [in, units] (NN) or [units, in] (NT). @returns the shape of x, with `units` in place of
   * the last dimension
   */
  product(label: string, x: Tensor, weight: Tensor, units: number, o: ProductOptions & { form?: 'NN' | 'NT' }): Tensor {
    const { dropout: probability = 0, residual, last = false, ...rest } = o;
    const k = x.shape[x.shape.length - 1];
    const T = last ? x.shape[2] : 1;
    const m = elementsPerReplica(x) / k / T;
    const output = this.plan.activation(label, [...(last ? [x.shape[1]] : x.shape.slice(1, -1)), units]);
    const a = { tensor: x, offset: (T - 1) * k, row: T * k };
    const product = { ...rest, ...this.precision, label, m, n: units, k, a, b: { tensor: weight } };
    if (!(this.options.training && probability > 0)) {
      matmul(this.plan, { ...product, c: { tensor: output }, residual });
      return output;
    }
    const raw = this.plan.activation(`${label}.raw`, output.shape.slice(1));
    matmul(this.plan, { ...product, c: { tensor: raw } });
    this.#dropout(label, raw, output, probability);
    if (residual) blend(this.plan, { label: `${label} residual`, x: residual, out: output, weights: { a: 1, b: 1 } });
    return output;
  }

  /**
   * A convolution whose stride equals its filter, as one product over windows; with `local` a separate filter for every window. x
   * [R, B, T, C], weight [R, (T / filter,) filter C, units]. @returns [R, B, T / filter, units]
   */
  windows(
    label: string,
    x: Tensor,
    weight: Tensor,
    filter: number,
    units: number,
    o: Omit<ProductOptions, 'dropout' | 'last'> & { local: boolean },
  ): Tensor {
    const { local, ...rest } = o;
    const [, batch, tokens, channels] = x.shape;
    const windows = tokens / filter;
    const groups = local ? windows : 1;
    const k = filter * channels;
    const output = this.plan.activation(label, [batch, windows, units]);
    matmul(this.plan, {
      ...{ ...rest, ...this.precision, label, groups, m: (batch * windows) / groups, n: units, k },
      a: { tensor: x, row: groups * k, group: k },
      b: { tensor: weight, group: groups > 1 ? k * units : 0 },
      c: { tensor: output, row: groups * units, group: units },
    });
    return output;
  }

  /** Declares the weight of a linear layer, [units, in], and applies it. */
  linear(
    name: string,
    x: Tensor,
    units: number,
    { init = 'normal', disk, ...o }: ProductOptions & { init?: Init; disk?: string },
  ): Tensor {
    const weight = this.parameter(asIs(name, [units, x.shape[x.shape.length - 1]], init, disk));
    return this.product(name, x, weight, units, { ...o, form: 'NT' });
  }

  /** max(x, 0), element by element. Rows of a multiple of 4 elements. */
  relu(label: string, x: Tensor): Tensor {
    const out = this.plan.activation(label, x.shape.slice(1));
    blend(this.plan, { label, x, out, weights: { a: 0, b: 1 }, relu: true });
    return out;
  }

  /** x and y added, element by element. Rows of a multiple of 4 elements. */
  add(label: string, x: Tensor, y: Tensor): Tensor {
    const out = this.plan.activation(label, x.shape.slice(1));
    blend(this.plan, { label: `${label}, first`, x, out, weights: { a: 0, b: 1 } });
    blend(this.plan, { label, x: y, out, weights: { a: 1, b: 1 } });
    return out;
  }

  /**
   * x with a factor for every element (factors shaped as x), for every channel ([R, C] or [R, 1, C]), or for every row: column `column` of
   * factors [R, ..., n], which have one row for each row of x.
   */
  multiply(label: string, x: Tensor, factors: Tensor, column?: number): Tensor {
    const output = this.plan.activation(label, x.shape.slice(1));
    const channels = x.shape[x.shape.length - 1];
    const perElement = elementsPerReplica(factors) === elementsPerReplica(x);
    const strides =
      column === undefined
        ? { bRow: perElement ? channels : 0, bColumn: 1 }
        : { bOffset: column, bRow: factors.shape[factors.shape.length - 1], bColumn: 0 };
    multiply(this.plan, { label, a: x, b: factors, output, ...strides });
    return output;
  }

  /** Softmax over the last dimension. */
  softmax(label: string, x: Tensor): Tensor {
    const output = this.plan.activation(label, x.shape.slice(1));
    softmax(this.plan, { label, input: x, output });
    return output;
  }

  /** Mean over positions, [R, B, T, C] to [R, B, C]; one position is its own mean. */
  mean(label: string, x: Tensor): Tensor {
    const [, batch, positions, channels] = x.shape;
    if (positions === 1) return reshape(x, [batch, channels]);
    const output = this.plan.activation(label, [batch, channels]);
    meanPositions(this.plan, { label, input: x, output });
    return output;
  }

  /** Layer norm over the last dimension, with gain and shift; or RMS norm, with gain. */
  norm(name: string, x: Tensor, kind: 'layer' | 'rms' = 'layer'): Tensor {
    const { plan } = this;
    const channels = x.shape[x.shape.length - 1];
    const rows = [elementsPerReplica(x) / channels];
    const weight = this.parameter(asIs(`${name}.weight`, [channels], 'ones'));
    const output = plan.activation(name, x.shape.slice(1));
    const inverse = plan.activation(`${name}.inverse`, rows);
    if (kind === 'rms') {
      rmsNorm(plan, { label: name, input: x, weight, output, inverse });
      return output;
    }
    const bias = this.parameter(asIs(`${name}.bias`, [channels], 'zeros'));
    const mean = plan.activation(`${name}.mean`, rows);
    layerNorm(plan, { label: name, input: x, weight, bias, output, mean, inverse });
    return output;
  }

  /** Multi-head self-attention without its output projection, [R, B, T, C] to [R, B, Tq, C]. @throws InputError unless heads divide C */
  attention(block: string, x: Tensor, { heads, causal = false, lastQueryOnly = false, disk }: AttentionLayer): Tensor {
    const { plan } = this;
    const [, batch, T, C] = x.shape;
    checkHeads(C, heads);
    const weight = this.parameter(qkvParameter(`${block}.qkv`, C, disk));
    const qkv = plan.activation(`${block}.qkv`, [batch, T, 3 * C]);
    // q, k and v of all positions are one product, [B T, C] x [C, 3 C], unless q is needed only at the last position.
    const project = (name: string, column: number, columns: number, from: number, every: number) =>
      matmul(plan, {
        ...this.precision,
        label: `${block}.${name}`,
        m: (batch * T) / every,
        n: columns,
        k: C,
        a: { tensor: x, offset: from * C, row: every * C },
        b: { tensor: weight, offset: column, row: 3 * C },
        c: { tensor: qkv, offset: from * 3 * C + column, row: every * 3 * C },
        scale: C ** -0.5,
      });
    if (lastQueryOnly) {
      project('kv', C, 2 * C, 0, 1);
      project('q', 0, C, T - 1, T);
    } else project('qkv', 0, 3 * C, 0, 1);
    const queries = lastQueryOnly ? 1 : T;
    const out = plan.activation(`${block}.mixed`, [batch, queries, C]);
    const logsumexp = plan.activation(`${block}.logsumexp`, [batch, heads, queries]);
    const scale = (C / heads) ** -0.5;
    attention(plan, {
      ...this.precision,
      label: `${block}.attention`,
      qkv,
      out,
      logsumexp,
      heads,
      scale,
      causal,
      lastQueryOnly,
    });
    return out;
  }

  #dropout(label: string, input: Tensor, output: Tensor, probability: number): void {
    const { dropoutKeys: keys, clock, dropoutLayer = 0 } = this.options;
    if (!keys || !clock)
      throw new InputError(
        `${label}: dropout needs random keys and a clock; pass dropoutKeys and clock, or set model.dropout = 0`,
      );
    const layer = dropoutLayer + this.#dropouts++;
    dropout(this.plan, { label: `${label} dropout`, input, output, keys, clock, layer, probability });
  }
}

/** @throws InputError unless heads divide channels. */
function checkHeads(channels: number, heads: number): void {
  if (channels % heads !== 0)
    throw new InputError(
      `model.heads: ${heads} heads do not divide ${channels} channels; take a divisor of ${channels}, or more channels`,
    );
}

/**
 * The three projections of one layer as one parameter [C, 3C]: column part * C + o contains row o of the matrix on disk ([out,
 * in], applied as x W^T), part = query, key, value.
 */
function qkvParameter(name: string, channels: number, disk: string): ParameterSpec {
  const parts = ['query', 'key', 'value'].map(
    (part, p): DiskPart => ({
      name: `${disk}.${part}`,
      shape: [channels, channels],
      start: p * channels,
      strides: [1, 3 * channels],
    }),
  );
  return { name, shape: [channels, 3 * channels], init: 'normal', disk: parts };
}

/** Collects the parameters of a forward pass while it runs: the tensors do not belong to a program. */
export class ParameterList {
  readonly specs: ParameterSpec[] = [];
  readonly #tensors = new Map<string, Tensor>();

  readonly take = (spec: ParameterSpec): Tensor => {
    const { name, shape } = spec;
    const known = this.#tensors.get(name);
    if (known) {
      const same = known.shape.length === shape.length + 1 && shape.every((n, i) => n === known.shape[i + 1]);
      if (!same)
        throw new ShapeError(
          `${name}: declared as [${known.shape.slice(1)}] and as [${shape}]; give each parameter a different name`,
        );
      return known;
    }
    const tensor: Tensor = {
      ...{ name, shape: [1, ...shape], dtype: 'f32', role: 'parameter', buffer: `parameter ${name}` },
      ...{ offset: 0, replicaStride: shape.reduce((a, b) => a * b, 1) },
    };
    this.specs.push(spec);
    this.#tensors.set(name, tensor);
    return tensor;
  };
}
