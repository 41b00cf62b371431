/** Settings to start from, each with something to see. Where they say nothing else, they use the grammar of the page's first setting. */
import { firstSetting, type Setting } from './setting.js';

export interface Preset {
  name: string;
  about: string; // what there is to see
  setting: Partial<Setting>;
}

const { grammar, networks, budget } = firstSetting;
const [cnn, transformer] = networks;
const local = { model: { kind: 'hlcn', width: 64 }, optimiser: { kind: 'sgd', rate: 1 } };
const pair = [cnn, transformer];

export const presets: readonly Preset[] = [
  {
    name: 'CNN against transformer',
    about: 'the default setting',
    setting: { grammar, networks: pair, budget },
  },
  {
    name: 'Three networks',
    about: 'a CNN, the same network without shared weights, and a transformer',
    setting: { grammar, networks: [cnn, local, transformer], budget },
  },
  ...[2, 3, 4].map((m) => ({
    name: `m = ${m}`,
    about: `${m} synonyms per symbol; the more synonyms, the longer each step takes`,
    setting: {
      grammar: { ...grammar, m, seed: m === 2 ? 2 : 1 },
      networks: pair,
      budget: { ...budget, steps: 4096 * m },
    },
  })),
  {
    name: 'Four steps',
    about: 'a CNN on sentences of 16 tokens takes all four steps',
    setting: {
      grammar: { ...grammar, L: 4 },
      networks: [{ model: { kind: 'hcnn', width: 128 }, optimiser: { kind: 'sgd', rate: 1 } }],
      budget: { ...budget, steps: 32768 },
    },
  },
  {
    name: 'Zipf rules',
    about:
      'at each level the second rule of a symbol is half as frequent as the first, and the third a third as frequent',
    setting: {
      grammar: { ...grammar, ruleProbabilities: { zipf: 0 } },
      networks: pair,
      budget,
    },
  },
];
