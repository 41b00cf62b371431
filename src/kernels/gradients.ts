/** How the gradients of an operation's inputs follow from those of its outputs, as calls of other operations. */
import { ShapeError } from '../core/errors.js';
import type { GradientOperations, GradientRule, Region } from '../plan/backward.js';
import { reshape } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import { attention } from './attention.js';
import { attentionBackward } from './attentionBackward.js';
import { blend } from './blend.js';
import { columnSum } from './columnSum.js';
import { dropout } from './dropout.js';
import { embed } from './embed.js';
import { embedBackward } from './embedBackward.js';
import { fold } from './fold.js';
import { layerNormBackward } from './layerNormBackward.js';
import { type MatmulOptions, matmul } from './matmul.js';
import { meanPositionsBackward } from './meanPositionsBackward.js';
import { unfold } from './unfold.js';

const rules: Readonly<Record<string, GradientRule>> = {
  /** C = relu(scale op(A) op(B) + bias) + residual: each factor's gradient is a product of dC and the other factor. */
  matmul(call, pass) {
    const { a, b, bias, mask, residual } = call.inputs;
    const { c } = call.outputs;
    const p = call.params as unknown as MatmulNumbers;
    const { m, n, k, groups, form, scale } = p;
    if (mask || (residual && p.relu))
      throw new ShapeError(`${call.label}: a product with a mask, or with a ReLU before its residual, has no gradient`);
    const [rowsA, columnsA] = form === 'TN' ? [k, m] : [m, k];
    const [rowsB, columnsB] = form === 'NT' ? [n, k] : [k, n];
    const regionA = { offset: p.aOffset, row: p.aRow, group: p.aGroup, rows: rowsA, columns: columnsA, groups };
    const regionB = { offset: p.bOffset, row: p.bRow, group: p.bGroup, rows: rowsB, columns: columnsB, groups };
    const viewA = { offset: p.aOffset, row: p.aRow, group: p.aGroup };
    const viewB = { offset: p.bOffset, row: p.bRow, group: p.bGroup };
    const dC = () => ({ tensor: pass.of(c), offset: p.cOffset, row: p.cRow, group: p.cGroup });
    const A = { tensor: a, ...viewA };
    const B = { tensor: b, ...viewB };
    const gradient = (
      input: Tensor,
      region: Region,
      product: () => Pick<MatmulOptions, 'form' | 'm' | 'n' | 'k' | 'a' | 'b'>,
    ) => {
      const { offset, row, group } = region;
      if (groups > 1 && group === 0)
        throw new ShapeError(
          `${call.label}: a factor that all groups share has no gradient; fold the groups into rows`,
        );
      const what = input.role === 'parameter' ? 'gradient' : 'input gradient';
      pass.add({
        input,
        region,
        accumulates: true,
        masks: offset === 0,
        write: ({ tensor, accumulate, mask }) =>
          matmul(pass.plan, {
            ...product(),
            label: `${call.label} ${what}`,
            c: { tensor, offset, row, group },
            groups,
            scale,
            accumulate,
            mask,
          }),
      });
    };
    if (pass.wants(a))
      gradient(a, regionA, () =>
        form === 'NN'
          ? { form: 'NT', m, n: k, k: n, a: dC(), b: B }
          : form === 'NT'
            ? { form: 'NN', m, n: k, k: n, a: dC(), b: B }
            : { form: 'NT', m: k, n: m, k: n, a: B, b: dC() },
      );
    if (pass.wants(b))
      gradient(b, regionB, () =>
        form === 'NN'
          ? { form: 'TN', m: k, n, k: m, a: A, b: dC() }
          : form === 'NT'
            ? { form: 'TN', m: n, n: k, k: m, a: dC(), b: A }
            : { form: 'NN', m: k, n, k: m, a: A, b: dC() },
      );
    if (pass.wants(bias)) {
      // Rows of n elements follow each other, a group beside or below the other.
      const beside = p.cRow === groups * n && (groups === 1 || p.cGroup === n);
      const own = p.biasGroup > 0;
      if (p.cOffset !== 0 || groups * m * n !== elementsPerReplica(c) || !(beside || (!own && p.cGroup === m * n)))
        throw new ShapeError(`${call.label}: a bias on a part of ${c.name} [${c.shape}] has no gradient`);
      const columns = own ? groups * n : n;
      pass.add({
        input: bias,
        accumulates: true,
        write: ({ tensor, accumulate }) =>
          columnSum(pass.plan, {
            label: `${bias.name} gradient`,
            input: reshape(pass.of(c), [(groups * m * n) / columns, columns]),
            output: reshape(tensor, [columns]),
            scale: p.biasInside ? scale : 1,
            accumulate,
          }),
      });
    }
    if (pass.wants(residual)) {
      if (elementsPerReplica(residual) !== groups * m * n || p.cOffset !== 0)
        throw new ShapeError(`${call.label}: a residual on a part of ${c.name} [${c.shape}] has no gradient`);
      pass.pass(residual, c);
    }
  },

  embed(call, pass) {
    const { tokens, weight, position } = call.inputs;
    const { output } = call.outputs;
    const p = embed.typed(call).params;
    const { windows, width } = p;
    const { v, filter, stride, padding, firstToken, length, masked, local, whitened, scale } = p;
    if (pass.wants(position)) {
      const columns = elementsPerReplica(position);
      pass.add({
        input: position,
        accumulates: true,
        write: ({ tensor, accumulate }) =>
          columnSum(pass.plan, {
            label: `${position.name} gradient`,
            input: reshape(pass.of(output), [(p.batch * windows * width) / columns, columns]),
            output: reshape(tensor, [columns]),
            scale: p.positionInside ? scale : 1,
            accumulate,
          }),
      });
    }
    pass.add({
      input: weight,
      write: ({ tensor }) =>
        embedBackward(pass.plan, {
          ...{ v, filter, stride, padding, firstToken, length, masked, local, whitened, scale },
          label: `${call.label} gradient`,
          tokens,
          dOutput: pass.of(output),
          dWeight: tensor,
        }),
    });
  },

  attention(call, pass) {
    const { qkv } = call.inputs;
    const { out, logsumexp } = call.outputs;
    const { heads, scale, causal, lastQueryOnly } = attention.typed(call).params;
    pass.add({
      input: qkv,
      write: ({ tensor }) =>
        attentionBackward(pass.plan, {
          ...{ label: `${call.label} gradient`, heads, scale, causal, lastQueryOnly },
          ...{ qkv, out, logsumexp, dOut: pass.of(out), dQkv: tensor },
        }),
    });
  },

  layerNorm(call, pass) {
    const { input, weight, bias } = call.inputs;
    const { output, mean, inverse } = call.outputs;
    pass.addTogether([{ input, accumulates: true }, { input: weight }, { input: bias }], ([dInput, dWeight, dBias]) =>
      layerNormBackward(pass.plan, {
        ...{ label: `${call.label} gradient`, input, weight, mean, inverse, dOutput: pass.of(output) },
        ...{ dInput: dInput.tensor, dWeight: dWeight.tensor, dBias: dBias.tensor, accumulate: dInput.accumulate },
      }),
    );
  },

  meanPositions(call, pass) {
    const { input } = call.inputs;
    const { output } = call.outputs;
    pass.add({
      input,
      masks: true,
      write: ({ tensor, mask }) =>
        meanPositionsBackward(pass.plan, {
          ...{ label: `${call.label} gradient`, dOutput: pass.of(output), dInput: tensor, mask },
        }),
    });
  },

  /** The mask of a step and layer is the same for values and gradients. */
  dropout(call, pass) {
    const { input, keys, clock } = call.inputs;
    const { layer, probability, clockWord } = call.params as Record<string, number>;
    pass.add({
      input,
      write: ({ tensor }) =>
        dropout(pass.plan, {
          ...{ label: `${call.label} gradient`, input: pass.of(call.outputs.output), output: tensor },
          ...{ keys, clock, layer, probability, clockWord },
        }),
    });
  },

  /** out = out + x. */
  blend(call, pass) {
    const { x, weights } = call.inputs;
    if (weights || call.params.a !== 1 || call.params.b !== 1)
      throw new ShapeError(`${call.label}: blend has a gradient as a sum alone, a = b = 1`);
    pass.pass(x, call.outputs.out);
  },

  unfold(call, pass) {
    const { filter, stride, padding } = unfold.typed(call).params;
    pass.add({
      input: call.inputs.input,
      accumulates: true,
      write: ({ tensor, accumulate }) =>
        fold(pass.plan, {
          ...{ label: `${call.label} gradient`, filter, stride, padding },
          ...{ input: pass.of(call.outputs.output), output: tensor, accumulate },
        }),
    });
  },

  fold(call, pass) {
    const { filter, stride, padding } = fold.typed(call).params;
    pass.add({
      input: call.inputs.input,
      write: ({ tensor }) =>
        unfold(pass.plan, {
          ...{ label: `${call.label} gradient`, filter, stride, padding },
          ...{ input: pass.of(call.outputs.output), output: tensor },
        }),
    });
  },
};

interface MatmulNumbers {
  form: 'NN' | 'NT' | 'TN';
  m: number;
  n: number;
  k: number;
  groups: number;
  aOffset: number;
  aRow: number;
  aGroup: number;
  bOffset: number;
  bRow: number;
  bGroup: number;
  cOffset: number;
  cRow: number;
  cGroup: number;
  biasGroup: number;
  biasInside: boolean;
  scale: number;
  relu: boolean;
}

/** What src/plan/backward.ts needs of the operations. */
export const gradientOperations: GradientOperations = {
  rule: (op) => rules[op],
  isRectified: (call, output) =>
    call.params.relu === true && (output === call.outputs.c || output === call.outputs.output),
  copy(plan, label, from, { tensor, accumulate, mask }) {
    const elements = elementsPerReplica(tensor);
    let source = from;
    if (mask) {
      // The mean over one position, backwards: dInput = dOutput where the mask is > 0.
      const masked = accumulate
        ? plan.activation(`${tensor.name} masked`, [1, 1, elements])
        : reshape(tensor, [1, 1, elements]);
      meanPositionsBackward(plan, {
        ...{ label: `${label}, through ReLU`, dOutput: reshape(from, [1, elements]), dInput: masked },
        mask: reshape(mask, [1, 1, elements]),
      });
      if (!accumulate) return;
      source = masked;
    }
    columnSum(plan, { label, input: reshape(source, [1, elements]), output: reshape(tensor, [elements]), accumulate });
  },
  clear: (plan, label, tensor, like) => blend(plan, { label, x: like, out: tensor, weights: { a: 0, b: 0 } }),
};

/** For tests and documentation: the operations that have a gradient. */
export const differentiable: readonly string[] = Object.keys(rules);
