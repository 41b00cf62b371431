/**
 * The curves of `rhm reproduce classes`: test error of the root symbol against P, with n = m = v as in arXiv:2307.02129, for
 * networks in mean-field scaling and, lazy, in standard scaling. P* is the P at which the error falls to a tenth.
 */
import { countDerivations } from '../grammar/derivations.js';
import { LEARNT_ERROR } from '../theory/steps.js';
import { type Scale, size } from './plannedGrammars.js';
import { curveSearch, type PlannedSearch, type SearchBlock } from './plannedSearch.js';

interface ClassBlock extends SearchBlock {
  model: 'hcnn' | 'fcn';
  grammars: number;
  to?: number;
}

type Network = readonly [kind: ClassBlock['model'], scaling: 'mean-field' | 'standard', rate: number];
const cnn: Network = ['hcnn', 'mean-field', 1];
/** Standard scaling uses a larger rate: its features hardly move, and the readout alone needs many steps. */
const others: readonly Network[] = [
  ['hcnn', 'standard', 2],
  ['fcn', 'mean-field', 1],
  ['fcn', 'standard', 2],
];

const networks = (
  list: readonly Network[],
  sizes: readonly (readonly [v: number, L: number])[],
  block: Pick<ClassBlock, 'batch' | 'most' | 'grammars' | 'to'>,
  width: number,
): ClassBlock[] =>
  sizes.flatMap(([v, L]) =>
    list.map(([model, scaling, rate]) => ({
      ...block,
      shape: size(v, v, L), // n = m = v
      model,
      settings: { model: { kind: model, width, scaling }, optimiser: { kind: 'sgd', rate } },
    })),
  );

const small = { batch: 32, most: 2 ** 15, to: 2 ** 15 };
const large = { batch: 128, most: 2 ** 17, grammars: 4 };
const shallow = [
  [12, 2],
  [16, 2],
  [24, 2],
] as const;
const deep = [
  [4, 3],
  [5, 3],
  [6, 3],
  [8, 3],
  [4, 4],
  [5, 4],
] as const;

const blocks: Record<Scale, readonly ClassBlock[]> = {
  quick: [
    ...networks(
      [cnn],
      [
        [3, 3],
        [3, 4],
        [4, 3],
        [5, 3],
        [4, 4],
        [6, 3],
        [8, 3],
      ],
      { ...small, grammars: 4 },
      32,
    ),
    ...networks(
      others,
      [
        [3, 3],
        [4, 3],
        [5, 3],
      ],
      { ...small, grammars: 3 },
      64,
    ),
  ],
  paper: [
    ...networks([cnn], [...shallow, ...deep, [10, 3], [6, 4]], large, 256),
    ...networks(others, [...shallow, ...deep], large, 512),
  ],
};

const STOP = 0.1; // nats: here the error is far below a tenth
const LARGEST_PART = 1 / 2; // of the language: with two levels P* is a considerable part of it

export function classSearches(scale: Scale): PlannedSearch[] {
  return blocks[scale].flatMap((block) =>
    Array.from({ length: block.grammars }, (_, index): PlannedSearch => {
      const { shape, settings, model, to = 2 ** 20 } = block;
      const { scaling } = settings.model as { scaling: string };
      const largest = Number(countDerivations(shape)) * LARGEST_PART;
      return {
        name: `${model} class in data, ${scaling}, n=m=v=${shape.v} s=${shape.s} L=${shape.L}, grammar ${index + 1}`,
        figure: 'classes',
        model,
        m: shape.m,
        steps: [],
        errors: [LEARNT_ERROR],
        ...curveSearch(
          { ...block, settings: { ...settings, task: 'class' } },
          { scale, seed: index + 1, to: Math.min(largest, to), stopLoss: STOP, evaluation: heldOut(scale, largest) },
        ),
      };
    }),
  );
}

/** Test and validation sets that leave half of a small language for training. */
function heldOut(scale: Scale, half: number): { size: number; validation: number } {
  const [most, validation] = scale === 'quick' ? [4096, 1024] : [16384, 4096];
  const part = Math.min(1, (0.9 * half) / (most + validation));
  const even = (x: number) => 32 * Math.floor((x * part) / 32);
  return { size: even(most), validation: even(validation) };
}
