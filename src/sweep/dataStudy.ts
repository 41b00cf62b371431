/** The curves in data of `rhm reproduce data` and `control`: best loss against P distinct sentences, searched for each step. */
import { stepExcess } from '../theory/steps.js';
import { grammarOf, type Scale, size } from './plannedGrammars.js';
import { curveSearch, EPOCHS, LARGEST_PART, type PlannedSearch, type SearchBlock } from './plannedSearch.js';

/** One network on the grammars of one size. */
interface DataBlock extends SearchBlock {
  model: 'hcnn' | 'hlcn' | 'mla';
  grammars: number;
  steps: readonly number[]; // ell of the P_ell to find
  to?: number; // largest P of the search
  figure: 'data' | 'control';
}

const convolutional = (kind: 'hcnn' | 'hlcn', width: number, rate = 1) => ({
  model: { kind, width },
  optimiser: { kind: 'sgd', rate },
});
const attention = (channels: number, heads: number, rate: number) => ({
  model: { kind: 'mla', channels, heads },
  optimiser: { kind: 'adamw', rate },
});

/** Two minutes on two cores. The transformer's step costs 25 times the CNN's, so only its P_2 at m = 2 is included. */
const quick: readonly DataBlock[] = [
  ...([4, 3, 2] as const).flatMap((m) =>
    (['hcnn', 'hlcn'] as const).map(
      (model): DataBlock => ({
        model,
        shape: size(8, m, 4),
        grammars: 3,
        settings: convolutional(model, 32),
        batch: 32,
        steps: [2, 3],
        most: 2 ** 16,
        figure: 'data',
      }),
    ),
  ),
  {
    model: 'mla',
    shape: size(8, 2, 4),
    grammars: 2,
    settings: attention(32, 4, 5e-3),
    batch: 32,
    steps: [2],
    most: 2 ** 12,
    figure: 'data',
  },
];

const sizes16 = [size(16, 2, 4), size(16, 3, 4), size(16, 4, 4)] as const;
const size32 = size(32, 8, 4);

const controlled = {
  model: 'hcnn',
  grammars: 4,
  steps: [2, 3],
  most: 2 ** 19,
  figure: 'control',
} satisfies Partial<DataBlock>;

const paper: readonly DataBlock[] = [
  ...(['hcnn', 'hlcn'] as const).flatMap((model): DataBlock[] => [
    ...sizes16.map(
      (shape): DataBlock => ({
        model,
        shape,
        grammars: 4,
        settings: convolutional(model, 128),
        batch: 32,
        steps: [1, 2, 3, 4],
        most: 2 ** 20,
        figure: 'data',
      }),
    ),
    {
      model,
      shape: size32,
      grammars: 4,
      settings: convolutional(model, 128),
      batch: 128,
      steps: [1, 2, 3],
      most: 2 ** 22, // hcnn near P_3 improves until about 10^6 steps; the run ends at 2.5 times that
      epochs: 1024,
      to: 2 ** 20, // P_3 is near 5e5
      figure: 'data',
    },
  ]),
  ...[...sizes16, size32].map(
    (shape): DataBlock => ({
      model: 'mla',
      shape,
      grammars: 4,
      settings: attention(128, 8, 1e-3),
      batch: 128,
      steps: shape.v === 16 ? [1, 2, 3] : [1, 2],
      most: shape.v === 16 ? 2 ** 17 : 2 ** 18,
      epochs: shape.v === 16 ? EPOCHS : 512,
      figure: 'data',
    }),
  ),
  // Factors other than data that change P_ell: the rate, the batch, the width.
  ...[sizes16[0], sizes16[2]].flatMap((shape): DataBlock[] => [
    ...[0.5, 2].map((rate) => ({ ...controlled, shape, settings: convolutional('hcnn', 128, rate), batch: 32 })),
    ...[16, 64].map((batch) => ({ ...controlled, shape, settings: convolutional('hcnn', 128), batch })),
    ...[64, 256].map((width) => ({ ...controlled, shape, settings: convolutional('hcnn', width), batch: 32 })),
  ]),
];

const blocks: Record<Scale, readonly DataBlock[]> = { quick, paper };

/** The curves that the figure `data` or `control` needs. */
export function dataSearches(scale: Scale, figure: DataBlock['figure']): PlannedSearch[] {
  return blocks[scale]
    .filter((block) => block.figure === figure)
    .flatMap((block) => Array.from({ length: block.grammars }, (_, index) => searchOf(block, index, scale)));
}

function searchOf(block: DataBlock, index: number, scale: Scale): PlannedSearch {
  const { model, shape, settings, batch, steps, to = 2 ** 22, figure } = block;
  const { seed, plateaus, sentences } = grammarOf(shape, index);
  const deepest = Math.max(...steps);
  const floor = plateaus[shape.L];
  const last = deepest === shape.L;
  // Below this loss the rest of the run does not matter.
  const stopLoss = floor + (last ? 0.2 * stepExcess(plateaus, deepest) : plateaus[deepest] - floor);
  const changed = figure === 'control' ? `, ${settingsText(settings, batch)}` : '';
  return {
    name: `${model} in data, v=${shape.v} m=${shape.m} s=${shape.s} L=${shape.L}, grammar ${index + 1}${changed}`,
    figure,
    model,
    m: shape.m,
    steps,
    ...curveSearch(block, { scale, seed, to: Math.min(sentences * LARGEST_PART, to), stopLoss }),
  };
}

function settingsText({ model, optimiser }: Record<string, unknown>, batch: number): string {
  const { width } = model as { width: number };
  const { rate } = optimiser as { rate: number };
  return `rate ${rate}, batch ${batch}, width ${width}`;
}
