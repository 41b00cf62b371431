import { InputError } from '../core/errors.js';
import type { Rules } from '../core/rules.js';
import { matmul } from '../kernels/matmul.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import { contextDistributions } from '../theory/index.js';
import { addTestBatch, declareClock, observedSymbols, placesOver } from './batch.js';

const BATCH = 256; // sentences; the products of all pairs are copied to the host, 256 KiB per layer and position
const ROUNDING = 1e-20; // distributions of independent tokens differ by 1e-16
const MOST_PRODUCTS = 2 ** 32; // additions for the exact distributions of one replica: some seconds

/**
 * Alignment of a layer with the exact distributions of contexts: linear centred kernel alignment over sentences i of x_i, the activations
 * at the position above the second to last symbol a_i of a level (0: a token), and y_i = (p(token j = c | a_i)) over all tokens j that are
 * not below that symbol and all c. With K_ij = x_i . x_j and L_ij = y_i . y_j
 *
 *   alignment = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)),
 *
 * by the unbiased estimate of HSIC: 1 if both geometries agree up to rotation and scale, 0 on average if a layer, of any width, contains
 * no information on the symbol. The tuple below a symbol has no other parent, so y_i is also the distribution given the tuple. The root
 * has no context. NaN if all x_i, or all y_i, are equal. Source: Kornblith et al., arXiv:1905.00414; estimate: Song et al., J. Mach.
 * Learn. Res. 13, 2012.
 */
export const alignment: MeasureSpec = {
  about: 'centred kernel alignment with the exact context distributions of tokens and tuples, per layer and level',
  build,
};

function build(context: MeasureContext): Measure {
  const { builder, model, shape, members } = context;
  const { d, s, L, v, firstToken } = shape;
  const nodes = (d - 1) / (s - 1);
  if (members.some(({ language }) => language.heldPairs))
    throw new InputError(
      'measures: alignment uses the context distributions of the whole grammar, but some pairs of rules are held out; leave it out, or grammar.holdout',
    );
  if (L * v ** 3 * d > MOST_PRODUCTS)
    throw new InputError(
      `measures: alignment would compute the distributions of contexts by L v^3 d = ${L * v ** 3 * d} additions, over the limit of ${MOST_PRODUCTS}; take a smaller grammar.v or L, or gdv, which needs none`,
    );
  const plan = builder.plan('measure/alignment');
  const tokens = builder.persistent('measure/alignment/tokens', [BATCH, d], 'u32');
  const symbols = builder.persistent('measure/alignment/hidden', [BATCH, nodes], 'u32');
  const seenTokens = addTestBatch(context, plan, {
    tokens,
    hidden: symbols,
    clock: declareClock(context, 'alignment'),
  });
  const { hidden } = model.forward(plan, { tokens: seenTokens, batch: BATCH, training: false });
  if (!hidden.length) throw new InputError('measures: alignment needs a hidden layer, which a perceptron lacks');
  const token = { level: 0, node: nodes + d - 2, lastToken: d - 2 };
  const looked = [token, ...observedSymbols(shape).slice(0, L - 1)].filter(({ lastToken }) => lastToken >= firstToken);
  if (!looked.length)
    throw new InputError(
      'measures: alignment uses symbols left of the last token, of which the network sees none; take a larger task.context',
    );
  const { slots, values } = placesOver(context, 'alignment', hidden, looked);

  // Activations are centred before their products are taken: with a large mean, products would retain few digits of the rest.
  const centring = builder.persistent('measure/alignment/centring', [BATCH, BATCH]);
  const products = builder.persistent('measure/alignment/products', [slots.length, BATCH, BATCH]);
  for (const [slot, { layer, position }] of slots.entries()) {
    const { activation, positions, units } = hidden[layer];
    const label = `layer ${layer + 1}, position ${position}`;
    const centred = plan.activation('centred', [BATCH, units]);
    const rows = { tensor: centred };
    matmul(plan, {
      label,
      ...{ m: BATCH, n: units, k: BATCH },
      a: { tensor: centring },
      b: { tensor: activation, offset: position * units, row: positions * units },
      c: rows,
    });
    const sizes = { m: BATCH, n: BATCH, k: units, scale: 1 / units };
    const c = { tensor: products, offset: slot * BATCH * BATCH };
    matmul(plan, { label, form: 'NT', ...sizes, a: rows, b: rows, c });
  }

  const kernels = members.map(({ rules }) => looked.map((symbol) => contextKernel(rules, symbol, nodes)));
  const each = <T>(value: (i: number) => T) => Array.from({ length: BATCH }, (_, i) => value(i));
  const matrix = each((i) => each((j) => Number(i === j) - 1 / BATCH)).flat();
  return {
    constants: [{ tensor: centring, data: Float32Array.from(members.flatMap(() => matrix)) }],
    async read(loaded) {
      await loaded.run(plan.name);
      const [drawn, labels, all] = await Promise.all([
        loaded.read(tokens),
        loaded.read(symbols),
        loaded.read(products),
      ]);
      return members.flatMap((_, replica) => {
        const exact = new Map(
          looked.map(({ level, node }, k) => {
            const { kernel, count } = kernels[replica][k];
            const own = each((i) =>
              level === 0
                ? drawn[(replica * BATCH + i) * d + node - nodes]
                : labels[(replica * BATCH + i) * nodes + node],
            );
            return [level, Float64Array.from(own.flatMap((a) => own.map((b) => kernel[a * count + b])))];
          }),
        );
        return values.map(({ layer, level, slot }): MeasureValue => {
          const from = (replica * slots.length + slot) * BATCH * BATCH;
          const seen = all.subarray(from, from + BATCH * BATCH);
          const value = centredAlignment(seen, exact.get(level)!, BATCH);
          return { replica, name: 'alignment', layer, level, value };
        });
      });
    },
  };
}

/**
 * Scalar products [count, count] of the distributions of contexts of all symbols of a node, centred. node: number of the token among all
 * nodes, after the hidden symbols.
 */
function contextKernel(
  rules: Rules,
  { level, node }: { level: number; node: number },
  nodes: number,
): { kernel: Float64Array; count: number } {
  const { s, L } = rules;
  const first = level === 0 ? nodes : (s ** (L - level) - 1) / (s - 1);
  const rows = contextDistributions(rules, level, node - first);
  const count = rules.v; // the root is not used
  const width = rows.length / count;
  for (let column = 0; column < width; column++) {
    let mean = 0;
    for (let a = 0; a < count; a++) mean += rows[a * width + column] / count;
    for (let a = 0; a < count; a++) rows[a * width + column] -= mean;
  }
  const kernel = new Float64Array(count * count);
  for (let a = 0; a < count; a++)
    for (let b = 0; b < count; b++)
      for (let column = 0; column < width; column++)
        kernel[a * count + b] += rows[a * width + column] * rows[b * width + column];
  return { kernel: kernel.some((x) => x > ROUNDING) ? kernel : kernel.fill(0), count };
}

/** HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of kernels [n, n] over the same n > 3 points; NaN if one of them is constant. */
export function centredAlignment(K: ArrayLike<number>, L: ArrayLike<number>, n: number): number {
  const [own, other] = [unbiasedHsic(K, K, n), unbiasedHsic(L, L, n)];
  const both = Math.sqrt(own * other);
  return own > 0 && other > 0 ? unbiasedHsic(K, L, n) / both : Number.NaN;
}

/**
 * Unbiased estimate of the Hilbert-Schmidt independence criterion from kernels [n, n] over the same n > 3 points: with K and L
 * without their diagonals, [tr KL + 1'K1 1'L1 / ((n-1)(n-2)) - 2/(n-2) 1'KL1] / (n(n-3)). Source: Song et al. 2012, eq. (5).
 */
export function unbiasedHsic(K: ArrayLike<number>, L: ArrayLike<number>, n: number): number {
  let trace = 0;
  let sumK = 0;
  let sumL = 0;
  let through = 0;
  for (let i = 0; i < n; i++) {
    let rowK = 0;
    let rowL = 0;
    for (let j = 0; j < n; j++) {
      if (i === j) continue;
      const [k, l] = [K[i * n + j], L[i * n + j]];
      rowK += k;
      rowL += l;
      trace += k * l;
    }
    sumK += rowK;
    sumL += rowL;
    through += rowK * rowL;
  }
  return (trace + (sumK * sumL) / ((n - 1) * (n - 2)) - (2 * through) / (n - 2)) / (n * (n - 3));
}
