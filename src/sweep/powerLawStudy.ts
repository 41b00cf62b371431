/**
 * The curves of `rhm reproduce powerLaw`: rules of the last level with p_k ~ k^-(1+a) (arXiv:2505.07067). Classification: errors
 * against P, with 32 rules or more. The last token: the steps of the loss, compared with those of uniform rules on the same
 * grammars.
 */
import { type GrammarShape, makeRules, type Weights } from '../core/rules.js';
import { lossPlateaus } from '../theory/losses.js';
import { grammarOf, type Scale, size } from './plannedGrammars.js';
import { curveSearch, type PlannedSearch, type SearchBlock } from './plannedSearch.js';

interface PowerLawBlock extends SearchBlock {
  grammars: number;
  to: number;
  upper: Weights; // for all levels except the last
  powers: readonly (number | undefined)[]; // a; undefined: uniform rules
}

/** n = v, m = v^(s-1): every tuple is used, so that no tuple can be guessed from the others of its sentence. */
const full = (v: number, s: number): GrammarShape => ({ v, n: v, m: v ** (s - 1), s, L: 2 });

const cnn = (width: number) => ({ model: { kind: 'hcnn', width }, optimiser: { kind: 'sgd', rate: 1 } });

/** `used` of m rules, equally probable. */
const few = (used: number, m: number): number[] => Array.from({ length: m }, (_, k) => (k < used ? 1 / used : 0));

/** By a: errors between which the curve is a power law, below the errors due to the few most frequent rules. */
const errorsOf: Readonly<Record<number, readonly number[]>> = {
  0.5: [0.5, 0.35, 0.25],
  1: [0.4, 0.25, 0.15],
  2: [0.2, 0.11, 0.06],
};
const POWERS = [0.5, 1, 2];

const classBlocks: Record<Scale, readonly PowerLawBlock[]> = {
  quick: [
    {
      shape: full(6, 3),
      settings: cnn(64),
      batch: 32,
      most: 2 ** 14,
      grammars: 3,
      to: 2 ** 16,
      upper: 'uniform',
      powers: POWERS,
    },
  ],
  paper: [full(6, 3), full(4, 4), full(8, 3)].map((shape) => ({
    ...{ shape, settings: cnn(256), batch: 128, most: 2 ** 18, grammars: 4 },
    ...{ to: 2 ** 22, upper: 'uniform' as const, powers: POWERS },
  })),
};

const tokenBlocks: Record<Scale, readonly PowerLawBlock[]> = {
  quick: [
    {
      ...{ shape: size(8, 3, 4), settings: cnn(32), batch: 32, most: 2 ** 16, grammars: 3 },
      ...{ to: 2 ** 17, upper: 'uniform', powers: [undefined, ...POWERS] },
    },
  ],
  paper: [
    {
      ...{ shape: size(16, 4, 4), settings: cnn(128), batch: 32, most: 2 ** 20, grammars: 4 },
      ...{ to: 2 ** 22, upper: 'uniform', powers: [undefined, ...POWERS] },
    },
    {
      // 32 rules at the last level, of which four are used at the levels above.
      ...{ shape: size(64, 32, 3), settings: cnn(256), batch: 128, most: 2 ** 20, grammars: 4 },
      ...{ to: 2 ** 22, upper: few(4, 32), powers: [undefined, ...POWERS] },
    },
  ],
};

const weightsOf = ({ shape, upper }: PowerLawBlock, a: number | undefined): Weights[] | undefined => {
  const last: Weights = a === undefined ? 'uniform' : { zipf: a };
  if (upper === 'uniform' && last === 'uniform') return undefined;
  return Array.from({ length: shape.L }, (_, depth) => (depth === shape.L - 1 ? last : upper));
};

const weighted = (ruleProbabilities: Weights[] | undefined) => (ruleProbabilities ? { ruleProbabilities } : {});

export function powerLawSearches(scale: Scale): PlannedSearch[] {
  const curves = (block: PowerLawBlock, plan: (a: number | undefined, index: number) => PlannedSearch) =>
    block.powers.flatMap((a) => Array.from({ length: block.grammars }, (_, index) => plan(a, index)));
  return [
    ...classBlocks[scale].flatMap((block) => curves(block, (a, index) => classSearch(block, scale, a!, index))),
    ...tokenBlocks[scale].flatMap((block) => curves(block, (a, index) => tokenSearch(block, scale, a, index))),
  ];
}

function classSearch(block: PowerLawBlock, scale: Scale, a: number, index: number): PlannedSearch {
  const { shape, settings, to } = block;
  return {
    name: `hcnn class in data, a=${a}, ${sizeText(shape)}, grammar ${index + 1}`,
    figure: 'powerLaw',
    model: 'hcnn',
    m: shape.m,
    steps: [],
    errors: errorsOf[a],
    ...curveSearch(
      { ...block, settings: { ...settings, task: 'class' } },
      { scale, seed: index + 1, to, grammar: weighted(weightsOf(block, a)) },
    ),
  };
}

const TOKEN_STEPS = [2, 3];

function tokenSearch(block: PowerLawBlock, scale: Scale, a: number | undefined, index: number): PlannedSearch {
  const { shape, to } = block;
  const { seed } = grammarOf(
    shape,
    index,
    block.powers.map((one) => weighted(weightsOf(block, one))),
  );
  const grammar = weighted(weightsOf(block, a));
  const { H } = lossPlateaus(makeRules(shape, seed, grammar));
  const deepest = Math.max(...TOKEN_STEPS);
  const last = deepest === shape.L;
  return {
    name: `hcnn in data, ${a === undefined ? 'uniform' : `a=${a}`}, ${sizeText(shape)}, grammar ${index + 1}`,
    figure: 'powerLaw',
    model: 'hcnn',
    m: shape.m,
    steps: TOKEN_STEPS,
    ...curveSearch(block, {
      ...{ scale, seed, to, grammar },
      stopLoss: last ? H[deepest] + 0.1 * (H[deepest - 1] - H[deepest]) : H[deepest],
    }),
  };
}

const sizeText = ({ v, n, m, s, L }: GrammarShape): string => `v=${v}${n === v ? '' : ` n=${n}`} m=${m} s=${s} L=${L}`;
