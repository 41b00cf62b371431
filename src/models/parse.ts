/** Common part of models for the task `parse`: a read-out for every hidden symbol. */
import { tasks } from '../core/tasks.js';
import { copyRows } from '../kernels/copyRows.js';
import { matmul } from '../kernels/matmul.js';
import type { Tensor } from '../plan/types.js';
import type { Net } from './net.js';
import { asIs } from './types.js';

/** Where the symbols of a level are read: x [R, B, positions, units], the symbol at `place` from position first + place step. */
interface ReadAt {
  x: Tensor;
  first: number;
  step: number; // divides the positions
}

interface ReadOptions {
  scale: number;
  form?: 'NN' | 'NT'; // weights [units, classes] (default), or [classes, units]
  local?: boolean; // separate weights for every symbol, of the form NN
}

/**
 * Scores of all hidden symbols, [R, B, nodes, classes], the root first, level by level. Each level has separate weights, `readout.LEVEL`.
 */
export function hiddenSymbolScores(
  net: Net,
  from: (level: number) => ReadAt,
  { scale, form = 'NN', local = false }: ReadOptions,
): Tensor {
  const { plan, batch, shape } = net;
  const { s, L, classes } = shape;
  const nodes = tasks.parse.rows!(shape);
  const logits = plan.activation('logits', [batch, nodes, classes]);
  for (let level = 1; level <= L; level++) {
    const { x, first, step } = from(level);
    const units = x.shape[3];
    const places = s ** (L - level);
    const groups = local ? places : 1;
    const name = `readout.${level}`;
    const sizes = form === 'NN' ? [units, classes] : [classes, units];
    const weight = net.parameter(asIs(name, local ? [places, ...sizes] : sizes, 'normal'));
    const scores = plan.activation(name, [batch, places, classes]);
    matmul(plan, {
      ...{ ...net.precision, label: name, form, groups, m: (batch * places) / groups, n: classes, k: units, scale },
      a: { tensor: x, offset: first * units, row: groups * step * units, group: step * units },
      b: { tensor: weight, row: sizes[1] },
      c: { tensor: scores, row: groups * classes, group: classes },
    });
    const rows = { input: scores, output: logits, rows: places, outputFirst: (places - 1) / (s - 1) };
    copyRows(plan, { label: `${name}, in place`, ...rows });
  }
  return logits;
}
