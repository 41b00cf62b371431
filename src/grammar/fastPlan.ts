/**
 * Tables and draw positions for assembly/fast.ts. Two levels are combined into one table if it stays small: a look-up then yields
 * s^2 symbols. Byte offsets as in assembly/fast.ts.
 */
import { layoutDraws } from '../core/grammarImage.js';
import { parents, type Rules, sentenceLength } from '../core/rules.js';

const STAGE_BYTES = 32;
const FIRST_STAGE = 32;
const SLOT_BYTES = 16;
const TABLE_BYTES = 2 ** 19; // a larger table does not fit in the cache

/** The plan as bytes, 16-byte aligned parts; undefined: this grammar needs the general sampler. */
export function fastPlan(rules: Rules, tokenBytes: 1 | 4): Uint8Array<ArrayBuffer> | undefined {
  const { v, n, m, s } = rules;
  if (v > 256 || rules.rootPrior || rules.ruleProbabilities || rules.heldPairs) return undefined;
  if (sentenceLength(rules) > 65536) return undefined;
  const draws = layoutDraws(rules);
  // Root and first rule are drawn as one number, so they must be adjacent digits of one word.
  if (draws.depths[0].word !== 0) return undefined;
  const stages = groupLevels(rules, draws.depths, tokenBytes);
  if (!stages) return undefined;

  let offset = FIRST_STAGE + stages.length * STAGE_BYTES;
  const reserve = (bytes: number) => {
    const at = Math.ceil(offset / 16) * 16;
    offset = at + bytes;
    return at;
  };
  const placed = stages.map((stage) => {
    const positions = s ** stage.depth;
    const entry = s ** stage.levels * stage.symbolBytes;
    const stride = [2, 4, 8, 16].includes(entry) ? entry : Math.ceil(entry / 16) * 16;
    const below = stage.levels === 2 ? m ** s : 1;
    const entries = parents(rules, stage.depth) * m * below;
    return {
      ...stage,
      positions,
      entry,
      stride,
      below,
      slots: reserve(positions * SLOT_BYTES),
      table: reserve(entries * stride),
    };
  });
  reserve(0);
  const plan = new Uint8Array(offset);
  const word = new DataView(plan.buffer);
  const put = (at: number, ...values: number[]) => {
    for (const [i, x] of values.entries()) word.setUint32(at + 4 * i, x, true);
  };
  const row = sentenceLength(rules) * tokenBytes;
  const exact = [2, 4, 8, 16].includes(placed[placed.length - 1].entry) ? 1 : 0;
  put(0, Math.ceil(draws.words / 2), placed.length, row, exact, Math.ceil((row + 16) / 16) * 16);
  placed.forEach((stage, i) => {
    const first = stage.depth === 0;
    put(
      FIRST_STAGE + i * STAGE_BYTES,
      stage.positions,
      first ? n * m : m,
      stage.below,
      m * stage.below,
      stage.slots,
      stage.table,
      stage.stride,
      stage.entry,
    );
    for (let p = 0; p < stage.positions; p++) {
      const above = drawAt(draws.depths[stage.depth], p);
      const below = stage.levels === 2 ? drawAt(draws.depths[stage.depth + 1], p * s) : above;
      put(
        stage.slots + p * SLOT_BYTES,
        first ? 1 : above.multiplier,
        below.multiplier,
        32 * above.word,
        32 * below.word,
      );
    }
    fillTable(rules, stage, plan);
  });
  return plan;
}

interface Stage {
  depth: number; // depth of the symbols it expands
  levels: 1 | 2; // number of levels it descends
  symbolBytes: number; // bytes per symbol of its output
}

type DepthDraws = ReturnType<typeof layoutDraws>['depths'][number];

const drawAt = ({ word, perWord, multipliers }: DepthDraws, p: number) => ({
  word: word + Math.floor(p / perWord),
  multiplier: multipliers[p % perWord],
});

/** Pairs of levels from the bottom up, single ones if a pair's table is too large. undefined: even those are too large. */
function groupLevels(rules: Rules, draws: DepthDraws[], tokenBytes: number): Stage[] | undefined {
  const { m, s, L } = rules;
  const stages: Stage[] = [];
  for (let depth = L - 1; depth >= 0; ) {
    const symbolBytes = depth === L - 1 ? tokenBytes : 1;
    const single = parents(rules, depth) * m * s * symbolBytes;
    if (single > 2 * TABLE_BYTES) return undefined;
    const double = depth > 0 ? parents(rules, depth - 1) * m * m ** s * s * s * symbolBytes : Number.POSITIVE_INFINITY;
    const levels = double <= TABLE_BYTES && draws[depth].perWord >= s ? 2 : 1;
    depth -= levels;
    stages.unshift({ depth: depth + 1, levels, symbolBytes });
  }
  return stages;
}

function fillTable(rules: Rules, stage: Stage & { table: number; stride: number; below: number }, plan: Uint8Array) {
  const { m, s } = rules;
  const upper = rules.rules[stage.depth];
  const write = (at: number, symbols: number[]) => {
    symbols.forEach((x, i) => {
      plan[at + i * stage.symbolBytes] = x;
    });
  };
  let at = stage.table;
  for (const tuples of upper)
    for (const tuple of tuples)
      for (let below = 0; below < stage.below; below++, at += stage.stride) {
        if (stage.levels === 1) write(at, tuple);
        else
          write(
            at,
            tuple.flatMap((child, i) => rules.rules[stage.depth + 1][child][Math.floor(below / m ** (s - 1 - i)) % m]),
          );
      }
}
