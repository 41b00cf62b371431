/** mla: token and position embeddings, multi-head self-attention, a linear readout. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { tasks } from '../core/tasks.js';
import { attention } from '../kernels/attention.js';
import { attentionBackward } from '../kernels/attentionBackward.js';
import { columnSum } from '../kernels/columnSum.js';
import { embed } from '../kernels/embed.js';
import { embedBackward } from '../kernels/embedBackward.js';
import { matmul } from '../kernels/matmul.js';
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
} from './types.js';

type Config = Extract<Experiment['model'], { kind: 'mla' }>;

/** Multi-layer attention for `last`: no residual, no MLP, no layer norm, no mask. arXiv:2505.07070. */
export const mla: ModelSpec = {
  kind: 'mla',
  create: (config, shape) => create(config as Config, shape),
  rateFactor: () => 1,
};

/** @throws InputError unless heads divide channels. */
export function checkHeads(channels: number, heads: number): void {
  if (channels % heads !== 0)
    throw new InputError(
      `model.heads: ${heads} heads do not divide ${channels} channels; take a divisor of ${channels}, or more channels`,
    );
}

/**
 * The three projections of one layer as one parameter [C, 3C]: column part * C + o holds row o of the matrix on disk
 * ([out, in], applied as x W^T), part = query, key, value.
 */
export function qkvParameter(name: string, channels: number, disk: string): ParameterSpec {
  return {
    name,
    shape: [channels, 3 * channels],
    init: 'normal',
    disk: ['query', 'key', 'value'].map((part, p) => ({
      name: `${disk}.${part}`,
      shape: [channels, channels],
      start: p * channels,
      strides: [1, 3 * channels],
    })),
  };
}

function create(config: Config, shape: ModelShape): Model {
  const { channels: C, heads, depth = shape.L } = config;
  checkHeads(C, heads);
  const { v, length: T, classes } = shape;
  const parameters: ParameterSpec[] = [
    {
      name: 'token',
      shape: [v, C],
      init: 'normal',
      disk: [{ name: 'token_embedding', shape: [C, v], start: 0, strides: [1, C] }],
    },
    asIs('position', [T, C], 'normal', 'position_embedding.weight'),
  ];
  for (let k = 0; k < depth; k++)
    parameters.push(
      qkvParameter(`blocks.${k}.qkv`, C, `blocks.${k}.sa`),
      asIs(`blocks.${k}.projection`, [C, C], 'normal', `blocks.${k}.sa.projection`),
    );
  parameters.push(asIs('readout', [classes, C], 'normal'));
  return { parameters, forward: (plan, options) => forward(plan, options) };

  function forward(plan: PlanBuilder, { tokens, batch }: ForwardOptions): Forward {
    const program = plan.program;
    const scale = C ** -0.5;
    const headScale = (C / heads) ** -0.5;
    const embedOptions = {
      tokens,
      label: 'embedding',
      v,
      filter: 1,
      firstToken: shape.firstToken,
      length: T,
      whitened: true,
      masked: tasks[shape.task].masked(T),
      scale: v ** -0.5,
    };
    let x = plan.activation('embedding', [batch, T, C]);
    embed(plan, {
      ...embedOptions,
      weight: program.parameter('token'),
      position: program.parameter('position'),
      output: x,
    });
    // q, k and v of all positions are one product, [B T, C] x [C, 3 C]. The last block needs q at the last position alone.
    const projections = (last: boolean) =>
      last
        ? [projection('kv', batch * T, C, 2 * C, 0, 1), projection('q', batch, 0, C, T - 1, T)]
        : [projection('qkv', batch * T, 0, 3 * C, 0, 1)];
    /** Columns of q, k, v for every `every`-th position from `from` on, as views of input, weight and output. */
    function projection(name: string, rows: number, column: number, columns: number, from: number, every: number) {
      return {
        name,
        rows,
        columns,
        input: (tensor: Tensor) => ({ tensor, offset: from * C, row: every * C }), // [B, T, C]
        weight: (tensor: Tensor) => ({ tensor, offset: column, row: 3 * C }), // [C, 3 C]
        output: (tensor: Tensor) => ({ tensor, offset: from * 3 * C + column, row: every * 3 * C }), // [B, T, 3 C]
      };
    }
    const blocks: { x: Tensor; qkv: Tensor; mixed: Tensor; logsumexp: Tensor; last: boolean }[] = [];
    const hidden: Forward['hidden'] = [];
    for (let k = 0; k < depth; k++) {
      const last = k === depth - 1; // only the last position is read out: one query is enough there
      const queries = last ? 1 : T;
      const qkv = plan.activation(`blocks.${k}.qkv`, [batch, T, 3 * C]);
      for (const part of projections(last))
        matmul(plan, {
          label: `blocks.${k}.${part.name}`,
          m: part.rows,
          n: part.columns,
          k: C,
          a: part.input(x),
          b: part.weight(program.parameter(`blocks.${k}.qkv`)),
          c: part.output(qkv),
          scale,
        });
      const mixed = plan.activation(`blocks.${k}.mixed`, [batch, queries, C]);
      const logsumexp = plan.activation(`blocks.${k}.logsumexp`, [batch, heads, queries]);
      attention(plan, {
        label: `blocks.${k}.attention`,
        qkv,
        out: mixed,
        logsumexp,
        heads,
        scale: headScale,
        causal: false,
        lastQueryOnly: last,
      });
      const out = plan.activation(`blocks.${k}.output`, [batch, queries, C]);
      matmul(plan, {
        label: `blocks.${k}.projection`,
        form: 'NT',
        m: batch * queries,
        n: C,
        k: C,
        a: { tensor: mixed },
        b: { tensor: program.parameter(`blocks.${k}.projection`) },
        c: { tensor: out },
        scale,
      });
      blocks.push({ x, qkv, mixed, logsumexp, last });
      hidden.push({ name: `blocks.${k}`, activation: out, positions: queries, units: C });
      x = out;
    }
    const features = x;
    const logits = plan.activation('logits', [batch, classes]);
    matmul(plan, {
      label: 'readout',
      form: 'NT',
      m: batch,
      n: classes,
      k: C,
      a: { tensor: features, row: C },
      b: { tensor: program.parameter('readout') },
      c: { tensor: logits },
      scale,
    });

    const backward = (dLogits: Tensor) => {
      matmul(plan, {
        label: 'readout gradient',
        form: 'TN',
        m: classes,
        n: C,
        k: batch,
        a: { tensor: dLogits },
        b: { tensor: features, row: C },
        c: { tensor: program.gradient('readout') },
        scale,
      });
      let dOut = plan.activation('dFeatures', [batch, 1, C]);
      matmul(plan, {
        label: 'readout input gradient',
        m: batch,
        n: C,
        k: classes,
        a: { tensor: dLogits },
        b: { tensor: program.parameter('readout') },
        c: { tensor: dOut, row: C },
        scale,
      });
      for (let k = depth - 1; k >= 0; k--) {
        const block = blocks[k];
        const rows = batch * (block.last ? 1 : T);
        matmul(plan, {
          label: `blocks.${k}.projection gradient`,
          form: 'TN',
          m: C,
          n: C,
          k: rows,
          a: { tensor: dOut },
          b: { tensor: block.mixed },
          c: { tensor: program.gradient(`blocks.${k}.projection`) },
          scale,
        });
        const dMixed = plan.activation(`blocks.${k}.dMixed`, [batch, block.last ? 1 : T, C]);
        matmul(plan, {
          label: `blocks.${k}.projection input gradient`,
          m: rows,
          n: C,
          k: C,
          a: { tensor: dOut },
          b: { tensor: program.parameter(`blocks.${k}.projection`) },
          c: { tensor: dMixed },
          scale,
        });
        const dQkv = plan.activation(`blocks.${k}.dQkv`, [batch, T, 3 * C]);
        attentionBackward(plan, {
          label: `blocks.${k}.attention gradient`,
          qkv: block.qkv,
          out: block.mixed,
          logsumexp: block.logsumexp,
          dOut: dMixed,
          dQkv,
          heads,
          scale: headScale,
          causal: false,
          lastQueryOnly: block.last,
        });
        dOut = plan.activation(`blocks.${k}.dInput`, [batch, T, C]);
        for (const [index, part] of projections(block.last).entries()) {
          matmul(plan, {
            label: `blocks.${k}.${part.name} gradient`,
            form: 'TN',
            m: C,
            n: part.columns,
            k: part.rows,
            a: part.input(block.x),
            b: part.output(dQkv),
            c: part.weight(program.gradient(`blocks.${k}.qkv`)),
            scale,
          });
          matmul(plan, {
            label: `blocks.${k}.${part.name} input gradient`,
            form: 'NT',
            m: part.rows,
            n: C,
            k: part.columns,
            a: part.output(dQkv),
            b: part.weight(program.parameter(`blocks.${k}.qkv`)),
            c: part.input(dOut),
            scale,
            accumulate: index > 0,
          });
        }
      }
      columnSum(plan, {
        label: 'position gradient',
        input: { ...dOut, shape: [plan.replicas, batch, T * C] },
        output: program.gradient('position'),
      });
      embedBackward(plan, {
        ...embedOptions,
        label: 'embedding gradient',
        dOutput: dOut,
        dWeight: program.gradient('token'),
      });
    };
    return { logits, hidden, backward };
  }
}
