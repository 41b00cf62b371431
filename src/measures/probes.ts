import { InputError } from '../core/errors.js';
import { matmul } from '../kernels/matmul.js';
import { ridge } from '../kernels/ridge.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import { accuracyOf, addSentences, CHECK, FIT } from './linearReadout.js';

const MOST_SCORES = 2 ** 25; // for one replica; 128 MiB

/**
 * Accuracy of a linear read-out of every hidden symbol, of every level and place, from every layer and position: ridge regression on
 * one-hot symbols, fitted on 192 test sentences and evaluated on 128 others (standard error at most 0.044). `map` [positions,
 * symbols of the level] contains all accuracies; `value` is the mean over the level's symbols of the best position's accuracy.
 */
export const probes: MeasureSpec = {
  about: 'accuracy of a linear read-out of every hidden symbol from every layer and position, per layer and level',
  build,
};

function build(context: MeasureContext): Measure {
  const { builder, shape, members } = context;
  const { s, L, d } = shape;
  const { v, n } = members[0].rules;
  const nodes = (d - 1) / (s - 1);
  const columns = n + (nodes - 1) * v;
  // First column of a node, the root first: one column for each of its symbols.
  const firstColumn = (node: number) => (node === 0 ? 0 : n + (node - 1) * v);
  const predicted = Array.from({ length: nodes }, (_, node) =>
    Array.from({ length: node === 0 ? n : v }, (_, symbol) => [node, symbol]),
  ).flat();

  const { batch, symbols, targets, plan, hidden, constants } = addSentences(context, 'probes', predicted);
  const numbers = hidden.reduce((sum, { positions }) => sum + positions, 0) * CHECK * columns;
  if (numbers > MOST_SCORES)
    throw new InputError(
      `measures: probes of ${hidden.length} layers and ${nodes} hidden symbols would hold ${numbers} numbers, over the limit of ${MOST_SCORES}; take a smaller grammar.L or v, or readout, which uses one symbol per level`,
    );
  const layers = hidden.map(({ activation, positions, units }, k) => {
    const label = `layer ${k + 1}`;
    const gram = plan.activation('gram', [positions, batch, batch]);
    for (let position = 0; position < positions; position++) {
      const rows = { tensor: activation, offset: position * units, row: positions * units };
      const c = { tensor: gram, offset: position * batch * batch };
      const sizes = { m: batch, n: batch, k: units, scale: 1 / units };
      matmul(plan, { label: `gram, ${label}, position ${position}`, form: 'NT', ...sizes, a: rows, b: rows, c });
    }
    const scores = builder.persistent(`measure/probes/scores.${k + 1}`, [positions, CHECK, columns]);
    ridge(plan, { label: `probes, ${label}`, gram, symbols, targets, scores });
    return { positions, scores };
  });

  /** Accuracies [positions, symbols of the level], from scores [positions, CHECK, columns]. */
  const mapOf = (scores: Float32Array, positions: number, labels: ArrayLike<number>, level: number): number[][] => {
    const count = s ** (L - level);
    const first = (count - 1) / (s - 1);
    return Array.from({ length: positions }, (_, position) =>
      Array.from({ length: count }, (_, place) => {
        const node = first + place;
        const from = firstColumn(node);
        return accuracyOf(
          (b) => {
            const at = (position * CHECK + b) * columns + from;
            return scores.subarray(at, at + (node === 0 ? n : v));
          },
          (b) => labels[(FIT + b) * nodes + node],
        );
      }),
    );
  };

  return {
    constants,
    async read(loaded) {
      await loaded.run(plan.name);
      const [labels, ...read] = await Promise.all([
        loaded.read(symbols),
        ...layers.map(({ scores }) => loaded.read(scores)),
      ]);
      return members.flatMap((_, replica) =>
        layers.flatMap(({ positions }, k) => {
          const size = positions * CHECK * columns;
          const scores = read[k].subarray(replica * size, (replica + 1) * size) as Float32Array;
          const own = labels.subarray(replica * batch * nodes, (replica + 1) * batch * nodes);
          return Array.from({ length: L }, (_, i): MeasureValue => {
            const map = mapOf(scores, positions, own, i + 1);
            return { replica, name: 'probes', layer: k + 1, level: i + 1, value: meanOfBest(map), map };
          });
        }),
      );
    },
  };
}

/** Mean over columns of each column's maximum. */
export function meanOfBest(map: readonly (readonly number[])[]): number {
  const best = map[0].map((_, column) => Math.max(...map.map((row) => row[column])));
  return best.reduce((sum, x) => sum + x / best.length, 0);
}
