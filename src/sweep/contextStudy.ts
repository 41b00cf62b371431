/**
 * The curves of `rhm reproduce context`: loss of the last token against P for causal transformers that see s^ell - 1 tokens, one
 * curve for each ell. Each saturates at its H(ell), and the envelope is the power law (arXiv:2406.00048).
 */
import { grammarOf, type Scale, size } from './plannedGrammars.js';
import { curveSearch, LARGEST_PART, type PlannedSearch, type SearchBlock } from './plannedSearch.js';

interface ContextBlock extends SearchBlock {
  levels: readonly number[]; // ell
  grammars: number;
  to?: number;
}

const decoder = (channels: number, heads: number, rate: number) => ({
  model: { kind: 'clm', channels, heads },
  optimiser: { kind: 'adamw', rate },
});

const blocks: Record<Scale, readonly ContextBlock[]> = {
  quick: [
    {
      shape: size(8, 2, 4),
      settings: decoder(32, 4, 3e-3),
      batch: 16,
      most: 2 ** 12,
      levels: [1, 2, 3],
      grammars: 3,
      to: 2 ** 14,
    },
  ],
  paper: [size(16, 2, 4), size(16, 3, 4), size(16, 4, 4)].map((shape) => ({
    shape,
    settings: decoder(128, 8, 1e-3),
    batch: 128,
    most: 2 ** 16,
    levels: [1, 2, 3, 4],
    grammars: 4,
  })),
};

const BEHIND = 16; // multiples of P_ell: there a curve has saturated

export function contextSearches(scale: Scale): PlannedSearch[] {
  return blocks[scale].flatMap((block) =>
    block.levels.flatMap((ell) =>
      Array.from({ length: block.grammars }, (_, index): PlannedSearch => {
        const { shape, settings, to = 2 ** 20 } = block;
        const { v, m, s, L } = shape;
        const { seed, sentences } = grammarOf(shape, index);
        const task = { kind: 'auto', context: s ** ell };
        return {
          name: `clm in data, context ${s ** ell}, v=${v} m=${m} s=${s} L=${L}, grammar ${index + 1}`,
          figure: 'context',
          model: 'clm',
          m,
          steps: [ell],
          beyond: BEHIND,
          ...curveSearch(
            { ...block, settings: { ...settings, task } },
            {
              scale,
              seed,
              to: Math.min(sentences * LARGEST_PART, to),
              evaluation: { positions: 'last' },
            },
          ),
        };
      }),
    ),
  );
}
