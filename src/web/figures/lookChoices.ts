/** The menus of a representation, each beside what it affects: the cloud, the table, the map. */
import type { Look, LookInfo } from '../cloud/look.js';
import { h, uniqueId } from '../dom.js';

type Option = readonly [number, string];

export interface ChoicesOf {
  info: LookInfo;
  seed: number; // seed of the first replica
  L: number;
  measured: number; // replica whose invariance is shown, -1: the mean over all
}

export interface LookMenus {
  cloud: HTMLElement[];
  table: HTMLElement[];
  map: HTMLElement[];
}

/** One menu per choice; choices with a single value for every network of this kind are left out. */
export function lookChoices(
  { info, seed, L, measured }: ChoicesOf,
  take: (part: Partial<Look>) => void,
  measure: (replica: number) => void,
): LookMenus {
  const { layers, shown, replicas } = info;
  const select = (name: string, values: readonly Option[], chosen: number, change: (n: number) => void) => {
    const id = uniqueId('look');
    const element = h(
      'select',
      { id, 'data-field': name, onchange: () => change(Number(element.value)) },
      ...values.map(([value, text]) => h('option', { value, selected: value === chosen }, text)),
    );
    return h('div', { class: 'field' }, h('label', { for: id }, name), element);
  };
  const count = (n: number, text: (i: number) => string): Option[] =>
    Array.from({ length: n }, (_, i) => [i, text(i)] as const);
  const { positions } = layers[shown.layer];
  const attention = info.map?.attention;
  const seeds = count(replicas, (r) => String(seed + r));
  const cloud = [
    select(
      'layer',
      layers.map(({ units }, i) => [i, `${i + 1} (${units} units)`] as const),
      shown.layer,
      (layer) => take({ layer }),
    ),
    select(
      'position',
      count(positions, (i) => `${i + 1} of ${positions}`),
      shown.position,
      (position) => take({ position }),
    ),
    select('colour by symbol of level', count(L + 1, String), shown.level, (level) => take({ level })),
  ];
  if (replicas > 1) cloud.unshift(select('seed', seeds, shown.replica, (replica) => take({ replica })));
  const table =
    replicas > 1 ? [select('table of seed', [[-1, `mean of ${replicas}`], ...seeds], measured, measure)] : [];
  const { heads = 0, sentences = 0, head = -1, sentence = -1 } = attention ?? {};
  const map = attention
    ? [
        select('head', [[-1, 'mean'], ...count(heads, (i) => String(i + 1))], head, (chosen) => take({ head: chosen })),
        select('sentence', [[-1, 'mean'], ...count(sentences, String)], sentence, (chosen) =>
          take({ sentence: chosen }),
        ),
      ]
    : [];
  return { cloud, table, map };
}
