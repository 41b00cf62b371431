import type { Rules } from '../core/rules.js';
import type { Key } from '../core/threefry.js';
import { UniformStream } from '../core/uniform.js';
import { drawOf, TreeMessages } from './messages.js';

/** Trees of the grammar, one after the other: symbols by depth, the root first. The arrays are reused for the next tree. */
export function* drawTrees(rules: Rules, count: number, key: Key): Generator<readonly Int32Array[]> {
  const { L, s } = rules;
  const blind = new TreeMessages(rules); // without observations its trees are drawn from the grammar
  blind.leaves.fill(0);
  blind.upward();
  const random = new UniformStream(key);
  const choose = drawOf(() => (random.word() + 0.5) / 2 ** 32);
  const symbols = Array.from({ length: L + 1 }, (_, depth) => new Int32Array(s ** depth));
  const numbers = symbols.slice(0, L).map((row) => new Int32Array(row.length));
  for (let i = 0; i < count; i++) {
    blind.trace(symbols, numbers, 0, choose);
    yield symbols;
  }
}
