import { InputError } from '../core/errors.js';
import { layerNorm } from '../kernels/layerNorm.js';
import { matmul } from '../kernels/matmul.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import { addTestBatch, declareClock, observedSymbols, placesOver } from './batch.js';

const BATCH = 128; // sentences; the products of all pairs are copied to the host, 64 KiB per layer and position

/**
 * How well the hidden symbols of a level separate in a layer: the generalised discrimination value of the activations at the
 * position above the symbol, with the symbols as classes. 0 if activations contain no information on them, -1 if clusters are
 * points. Source: Schilling et al., Neural Networks 139, 2021, doi 10.1016/j.neunet.2021.03.035.
 */
export const gdv: MeasureSpec = {
  about: 'how well hidden symbols separate, per layer and level: 0 not at all, -1 into points',
  build,
};

function build(context: MeasureContext): Measure {
  const { builder, model, shape, members } = context;
  const { d, s, firstToken } = shape;
  const nodes = (d - 1) / (s - 1);
  const plan = builder.plan('measure/gdv');
  const tokens = plan.activation('tokens', [BATCH, d], 'u32');
  const symbols = builder.persistent('measure/gdv/hidden', [BATCH, nodes], 'u32');
  const seenTokens = addTestBatch(context, plan, { tokens, hidden: symbols, clock: declareClock(context, 'gdv') });
  const { hidden } = model.forward(plan, { tokens: seenTokens, batch: BATCH, training: false });
  if (!hidden.length) throw new InputError('measures: gdv needs a hidden layer, which a perceptron lacks');
  const seen = observedSymbols(shape).filter(({ lastToken }) => lastToken >= firstToken);
  const { slots, values } = placesOver(context, 'gdv', hidden, seen);

  // Z-scores through the layer norm: it standardises rows, so the activations are first transposed, by a product without rounding.
  const identity = builder.persistent('measure/gdv/identity', [BATCH, BATCH]);
  const half = builder.persistent('measure/gdv/half', [BATCH]);
  const zero = builder.persistent('measure/gdv/zero', [BATCH]);
  const products = builder.persistent('measure/gdv/products', [slots.length, BATCH, BATCH]);
  for (const [slot, { layer, position }] of slots.entries()) {
    const { activation, positions, units } = hidden[layer];
    const label = `layer ${layer + 1}, position ${position}`;
    const turned = plan.activation('turned', [units, BATCH]);
    const a = { tensor: activation, offset: position * units, row: positions * units };
    matmul(plan, {
      label,
      form: 'TN',
      m: units,
      n: BATCH,
      k: BATCH,
      a,
      b: { tensor: identity },
      c: { tensor: turned },
    });
    const scores = plan.activation('scores', [units, BATCH]);
    const [mean, inverse] = ['mean', 'inverse'].map((name) => plan.activation(name, [units]));
    layerNorm(plan, { label, input: turned, weight: half, bias: zero, output: scores, mean, inverse, eps: 1e-10 });
    const rows = { tensor: scores };
    const c = { tensor: products, offset: slot * BATCH * BATCH };
    matmul(plan, { label, form: 'TN', m: BATCH, n: BATCH, k: units, a: rows, b: rows, c });
  }

  const each = <T>(value: (i: number) => T) => Array.from({ length: BATCH }, (_, i) => value(i));
  const perReplica = (row: number[]) => Float32Array.from(members.flatMap(() => row));
  return {
    constants: [
      { tensor: identity, data: perReplica(each((i) => each((j) => Number(i === j))).flat()) },
      { tensor: half, data: perReplica(each(() => 0.5)) },
    ],
    async read(loaded) {
      await loaded.run(plan.name);
      const [labels, all] = await Promise.all([loaded.read(symbols), loaded.read(products)]);
      return members.flatMap((_, replica) =>
        values.map(({ layer, level, node, slot }): MeasureValue => {
          const from = (replica * slots.length + slot) * BATCH * BATCH;
          const classes = each((i) => labels[(replica * BATCH + i) * nodes + node]);
          const value = discrimination(all.subarray(from, from + BATCH * BATCH), classes);
          return { replica, name: 'gdv', layer, level, value };
        }),
      );
    },
  };
}

/**
 * GDV from the scalar products [B, B] of points whose dimensions have mean 0 and standard deviation 1/2, and the class of each
 * point: (mean distance within classes - mean distance between classes) / sqrt(D), with equal weight for each class and each pair
 * of classes. A constant dimension adds nothing to the products and is not counted in D, which follows from their trace. Classes
 * of one point are left out; NaN if fewer than two are left.
 */
export function discrimination(products: ArrayLike<number>, classes: readonly number[]): number {
  const B = classes.length;
  const groups = [...new Set(classes)]
    .map((a) => [...classes.keys()].filter((i) => classes[i] === a))
    .filter((group) => group.length > 1);
  let trace = 0;
  for (let i = 0; i < B; i++) trace += products[i * B + i];
  const dimensions = (4 * trace) / B;
  const distance = (i: number, j: number) =>
    Math.sqrt(Math.max(0, products[i * B + i] + products[j * B + j] - 2 * products[i * B + j]));
  const mean = (one: readonly number[], other: readonly number[]) => {
    const pairs = one.flatMap((i, a) => (one === other ? other.slice(a + 1) : other).map((j) => distance(i, j)));
    return pairs.reduce((sum, x) => sum + x, 0) / pairs.length;
  };
  const average = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const within = average(groups.map((group) => mean(group, group)));
  const between = average(groups.flatMap((one, a) => groups.slice(a + 1).map((other) => mean(one, other))));
  return (within - between) / Math.sqrt(dimensions);
}
