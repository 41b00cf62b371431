/** clm: a causal decoder with residuals, layer norms before attention and MLP, and a head at every position. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { attention } from '../kernels/attention.js';
import { attentionBackward } from '../kernels/attentionBackward.js';
import { blend } from '../kernels/blend.js';
import { columnSum } from '../kernels/columnSum.js';
import { dropout } from '../kernels/dropout.js';
import { embed } from '../kernels/embed.js';
import { embedBackward } from '../kernels/embedBackward.js';
import { layerNorm } from '../kernels/layerNorm.js';
import { layerNormBackward } from '../kernels/layerNormBackward.js';
import { matmul } from '../kernels/matmul.js';
import { type PlanBuilder, reshape } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import { checkHeads, qkvParameter } from './attention.js';
import { asIs, type Forward, type ForwardOptions, type Model, type ModelShape, type ModelSpec } from './types.js';

type Config = Extract<Experiment['model'], { kind: 'clm' }>;

/** Pre-layer-norm causal decoder for `auto`. arXiv:2505.07070; scalings as in the authors' code, found by replaying it. */
export const clm: ModelSpec = {
  kind: 'clm',
  create: (config, shape) => create(config as Config, shape),
  rateFactor: () => 1,
};

function create(config: Config, shape: ModelShape): Model {
  const { channels: C, heads, depth = shape.L, ratio, tied } = config;
  checkHeads(C, heads);
  if (shape.length < 2)
    throw new InputError('task.context: the decoder needs one token to predict the next from; pass 2 or more');
  if (config.dropout > 0 && C % 4 !== 0)
    throw new InputError(`model.channels: ${C} with dropout; take a multiple of 4`);
  const T = shape.length - 1;
  const linear = { uniform: C ** -0.5 }; // what torch.nn.Linear starts from
  const norm = (name: string) => [
    asIs(`${name}.weight`, [C], 'ones' as const),
    asIs(`${name}.bias`, [C], 'zeros' as const),
  ];
  const parameters: Model['parameters'][number][] = [
    asIs('token', [shape.v, C], 'normal', 'token_embedding_table.weight'),
    asIs('position', [T, C], 'normal', 'position_embedding_table.weight'),
  ];
  for (let k = 0; k < depth; k++) {
    const block = `blocks.${k}`;
    parameters.push(
      ...norm(`${block}.ln1`),
      qkvParameter(`${block}.qkv`, C, `${block}.attn`),
      asIs(`${block}.projection`, [C, C], 'normal', `${block}.attn.projection`),
      ...norm(`${block}.ln2`),
      asIs(`${block}.expand`, [ratio * C, C], 'normal', `${block}.ffwd.hidden.0.0.weight`),
      asIs(`${block}.contract`, [ratio * C, C], 'normal', `${block}.ffwd.readout`),
    );
  }
  parameters.push(...norm('ln_f'));
  if (!tied) parameters.push(asIs('head', [shape.v, C], linear, 'lm_head.weight'));
  parameters.push(asIs('head.bias', [shape.v], linear, 'lm_head.bias'));
  return { parameters, forward: (plan, options) => new Pass(plan, options, config, shape, depth).forward() };
}

/** What the backward pass of one block needs. */
interface Block {
  norm1: Norm;
  qkv: Tensor; // [R, B, T, 3C]
  mixed: Tensor; // [R, B, T, C]
  logsumexp: Tensor; // [R, B, H, T]
  norm2: Norm;
  expanded: Tensor; // [R, B, T, ratio C], after ReLU
}

interface Norm {
  name: string;
  input: Tensor; // [R, B, T, C]
  output: Tensor;
  mean: Tensor; // [R, B T]
  inverse: Tensor;
}

class Pass {
  readonly T: number; // input tokens, one fewer than used
  readonly C: number;
  readonly rows: number; // B T

  constructor(
    readonly plan: PlanBuilder,
    readonly options: ForwardOptions,
    readonly config: Config,
    readonly shape: ModelShape,
    readonly depth: number,
  ) {
    this.T = shape.length - 1;
    this.C = config.channels;
    this.rows = options.batch * this.T;
  }

  forward(): Forward {
    const { plan, C, T, rows, shape } = this;
    const { batch, tokens } = this.options;
    const program = plan.program;
    const embedOptions = {
      label: 'embedding',
      tokens,
      v: shape.v,
      filter: 1,
      firstToken: shape.firstToken,
      length: T,
      whitened: false,
      scale: 1,
    };
    let x = this.#activation('embedding', C);
    embed(plan, {
      ...embedOptions,
      weight: program.parameter('token'),
      position: program.parameter('position'),
      output: x,
    });
    const blocks: Block[] = [];
    const hidden: Forward['hidden'] = [];
    for (let k = 0; k < this.depth; k++) {
      const block = this.#block(k, x);
      blocks.push(block.kept);
      x = block.output;
      hidden.push({ name: `blocks.${k}`, activation: x, positions: T, units: C });
    }
    const final = this.#norm('ln_f', x);
    const logits = plan.activation('logits', [batch, T, shape.v]);
    // With the token embedding, of normal weights, as head, the sum over C channels is scaled like every other.
    const { tied } = this.config;
    const head = program.parameter(tied ? 'token' : 'head');
    const headScale = tied ? C ** -0.5 : 1;
    const bias = program.parameter('head.bias');
    const headSizes = { m: rows, n: shape.v, k: C, scale: headScale };
    matmul(plan, {
      ...headSizes,
      label: 'head',
      form: 'NT',
      a: { tensor: final.output },
      b: { tensor: head },
      c: { tensor: logits },
      bias,
    });

    const backward = (dLogits: Tensor) => {
      const dFinal = this.#activation('dFinal', C);
      matmul(plan, {
        label: 'head input gradient',
        m: rows,
        n: C,
        k: shape.v,
        a: { tensor: dLogits },
        b: { tensor: head },
        c: { tensor: dFinal },
        scale: headScale,
      });
      columnSum(plan, {
        label: 'head.bias gradient',
        input: reshape(dLogits, [rows, shape.v]),
        output: program.gradient('head.bias'),
      });
      const headGradient = () => this.#weightGradient(tied ? 'token' : 'head', dLogits, final.output, headScale, tied);
      if (!tied) headGradient();
      const dx = this.#activation('dx', C); // gradient of the residual stream, updated in place
      this.#normBackward(final, dFinal, dx, false);
      for (let k = this.depth - 1; k >= 0; k--) this.#blockBackward(k, blocks[k], dx);
      columnSum(plan, {
        label: 'position gradient',
        input: reshape(dx, [batch, T * C]),
        output: program.gradient('position'),
      });
      embedBackward(plan, {
        ...embedOptions,
        label: 'embedding gradient',
        dOutput: dx,
        dWeight: program.gradient('token'),
      });
      if (tied) headGradient(); // on top of the embedding's
    };
    return { logits, hidden, backward };
  }

  #block(k: number, x: Tensor): { kept: Block; output: Tensor } {
    const { plan, C, T, rows, config } = this;
    const { ratio, heads } = config;
    const name = `blocks.${k}`;
    const parameter = (part: string) => plan.program.parameter(`${name}.${part}`);
    const norm1 = this.#norm(`${name}.ln1`, x);
    const qkv = this.#activation(`${name}.qkv`, 3 * C);
    matmul(plan, {
      label: `${name}.qkv`,
      m: rows,
      n: 3 * C,
      k: C,
      a: { tensor: norm1.output },
      b: { tensor: parameter('qkv') },
      c: { tensor: qkv },
      scale: C ** -0.5,
    });
    const mixed = this.#activation(`${name}.mixed`, C);
    const logsumexp = plan.activation(`${name}.logsumexp`, [this.options.batch, heads, T]);
    attention(plan, {
      label: `${name}.attention`,
      qkv,
      out: mixed,
      logsumexp,
      heads,
      scale: (C / heads) ** -0.5,
      causal: true,
    });
    const middle = this.#branch(2 * k, `${name}.projection`, x, {
      form: 'NT',
      k: C,
      a: { tensor: mixed },
      b: { tensor: parameter('projection') },
      scale: C ** -0.5,
    });
    const norm2 = this.#norm(`${name}.ln2`, middle);
    const expanded = this.#activation(`${name}.expanded`, ratio * C);
    matmul(plan, {
      label: `${name}.expand`,
      form: 'NT',
      m: rows,
      n: ratio * C,
      k: C,
      a: { tensor: norm2.output },
      b: { tensor: parameter('expand') },
      c: { tensor: expanded },
      scale: C ** -0.5,
      relu: true,
    });
    const output = this.#branch(2 * k + 1, `${name}.contract`, middle, {
      k: ratio * C,
      a: { tensor: expanded },
      b: { tensor: parameter('contract') },
      scale: (ratio * C) ** -0.5,
    });
    return { kept: { norm1, qkv, mixed, logsumexp, norm2, expanded }, output };
  }

  /** residual + dropout(product), [R, B, T, C]. */
  #branch(
    layer: number,
    label: string,
    residual: Tensor,
    product: Pick<Parameters<typeof matmul>[1], 'form' | 'k' | 'a' | 'b' | 'scale'>,
  ): Tensor {
    const { plan, C, rows } = this;
    const output = this.#activation(`${label}.output`, C);
    const sizes = { ...product, label, m: rows, n: C };
    if (!this.#drops) {
      matmul(plan, { ...sizes, c: { tensor: output }, residual });
      return output;
    }
    const raw = this.#activation(`${label}.raw`, C);
    matmul(plan, { ...sizes, c: { tensor: raw } });
    this.#dropout(layer, label, raw, output);
    blend(plan, { label: `${label} residual`, x: residual, out: output, weights: { a: 1, b: 1 } });
    return output;
  }

  #blockBackward(k: number, block: Block, dx: Tensor): void {
    const { plan, C, config } = this;
    const { ratio, heads } = config;
    const name = `blocks.${k}`;
    const { norm1, qkv, mixed, logsumexp, norm2, expanded } = block;

    const dContract = this.#branchGradient(2 * k + 1, `${name}.contract`, dx);
    this.#weightGradient(`${name}.contract`, expanded, dContract, (ratio * C) ** -0.5);
    const dExpanded = this.#activation(`${name}.dExpanded`, ratio * C);
    this.#inputGradient(`${name}.contract`, 'NT', dContract, dExpanded, (ratio * C) ** -0.5, expanded);
    this.#weightGradient(`${name}.expand`, dExpanded, norm2.output, C ** -0.5);
    const dNorm2 = this.#activation(`${name}.dNorm2`, C);
    this.#inputGradient(`${name}.expand`, 'NN', dExpanded, dNorm2, C ** -0.5);
    this.#normBackward(norm2, dNorm2, dx, true);

    const dProjection = this.#branchGradient(2 * k, `${name}.projection`, dx);
    this.#weightGradient(`${name}.projection`, dProjection, mixed, C ** -0.5);
    const dMixed = this.#activation(`${name}.dMixed`, C);
    this.#inputGradient(`${name}.projection`, 'NN', dProjection, dMixed, C ** -0.5);
    const dQkv = this.#activation(`${name}.dQkv`, 3 * C);
    attentionBackward(plan, {
      label: `${name}.attention gradient`,
      qkv,
      out: mixed,
      logsumexp,
      dOut: dMixed,
      dQkv,
      heads,
      scale: (C / heads) ** -0.5,
      causal: true,
    });
    this.#weightGradient(`${name}.qkv`, norm1.output, dQkv, C ** -0.5);
    const dNorm1 = this.#activation(`${name}.dNorm1`, C);
    this.#inputGradient(`${name}.qkv`, 'NT', dQkv, dNorm1, C ** -0.5);
    this.#normBackward(norm1, dNorm1, dx, true);
  }

  /** Gradient of a branch's product from that of the residual stream. */
  #branchGradient(layer: number, label: string, dx: Tensor): Tensor {
    if (!this.#drops) return dx;
    const gradient = this.#activation(`${label}.dRaw`, this.C);
    this.#dropout(layer, `${label} gradient`, dx, gradient);
    return gradient;
  }

  /** Gradient of a weight [M, N] = scale * a^T b over all rows; a [rows, M], b [rows, N]. */
  #weightGradient(parameter: string, a: Tensor, b: Tensor, scale: number, accumulate = false): void {
    const last = (tensor: Tensor) => tensor.shape[tensor.shape.length - 1];
    matmul(this.plan, {
      label: `${parameter} gradient`,
      form: 'TN',
      m: last(a),
      n: last(b),
      k: this.rows,
      a: { tensor: a },
      b: { tensor: b },
      c: { tensor: this.plan.program.gradient(parameter) },
      scale,
      accumulate,
    });
  }

  /** dInput [rows, N] = mask(scale * dOutput W), W stored [K, N] (NN) or [N, K] (NT). */
  #inputGradient(
    parameter: string,
    form: 'NN' | 'NT',
    dOutput: Tensor,
    dInput: Tensor,
    scale: number,
    mask?: Tensor,
  ): void {
    matmul(this.plan, {
      label: `${parameter} input gradient`,
      form,
      m: this.rows,
      n: dInput.shape[dInput.shape.length - 1],
      k: dOutput.shape[dOutput.shape.length - 1],
      a: { tensor: dOutput },
      b: { tensor: this.plan.program.parameter(parameter) },
      c: { tensor: dInput },
      mask,
      scale,
    });
  }

  #norm(name: string, input: Tensor): Norm {
    const { plan, C, rows } = this;
    const output = this.#activation(name, C);
    const mean = plan.activation(`${name}.mean`, [rows]);
    const inverse = plan.activation(`${name}.inverse`, [rows]);
    const [weight, bias] = ['weight', 'bias'].map((part) => plan.program.parameter(`${name}.${part}`));
    layerNorm(plan, { label: name, input, weight, bias, output, mean, inverse });
    return { name, input, output, mean, inverse };
  }

  #normBackward({ name, input, mean, inverse }: Norm, dOutput: Tensor, dInput: Tensor, accumulate: boolean): void {
    const { program } = this.plan;
    layerNormBackward(this.plan, {
      label: `${name} gradient`,
      input,
      weight: program.parameter(`${name}.weight`),
      mean,
      inverse,
      dOutput,
      dInput,
      dWeight: program.gradient(`${name}.weight`),
      dBias: program.gradient(`${name}.bias`),
      accumulate,
    });
  }

  get #drops(): boolean {
    return this.options.training && this.config.dropout > 0;
  }

  #dropout(layer: number, label: string, input: Tensor, output: Tensor): void {
    const { dropoutKeys, clock, dropoutLayer = 0 } = this.options;
    if (!dropoutKeys || !clock) throw new InputError('model.dropout: no keys were given to the training plan');
    dropout(this.plan, {
      label: `${label} dropout`,
      input,
      output,
      keys: dropoutKeys,
      clock,
      layer: dropoutLayer + layer,
      probability: this.config.dropout,
    });
  }

  #activation(name: string, width: number): Tensor {
    return this.plan.activation(name, [this.options.batch, this.T, width]);
  }
}
