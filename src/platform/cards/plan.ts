/** Which cards a command computes on. */
import { AdapterError, InputError } from '../../core/errors.js';
import { findWay, type Way } from './choose.js';
import { type Card, listCards } from './list.js';

/** The value of --gpus: all, the first N, or a list. */
export type Asked = 'all' | { readonly count: number } | { readonly list: readonly number[] };

/** `all`, `2` (the first two), `0,2` (these two), `2,` (this one). undefined: none of these forms. */
export function parseAsked(text: string): Asked | undefined {
  if (/^all$/i.test(text.trim())) return 'all';
  if (/^\s*\d+\s*$/.test(text)) return { count: Number(text) };
  if (!/^\s*\d+\s*(,\s*\d+\s*)*,?\s*$/.test(text)) return undefined;
  return {
    list: text
      .split(',')
      .filter((word) => word.trim())
      .map(Number),
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Cards of `all` to use. With no request: those of the same kind as the first card, since other kinds may give other bits; among
 * these the ones that CUDA_VISIBLE_DEVICES names, which batch systems set. @throws InputError for a card that does not exist
 */
export function wantedCards(asked: Asked | undefined, all: readonly Card[], env: Environment): readonly Card[] {
  if (asked === undefined) {
    const same = all.filter(({ name }) => name === all[0].name);
    const named = same.filter((card) => namedForCuda(card, env.CUDA_VISIBLE_DEVICES));
    return named.length ? named : same.slice(0, 1);
  }
  if (!all.length)
    throw new InputError(
      '--gpus: this machine has no graphics card that this process may open; leave it out to compute on the CPU, and see rhm doctor',
    );
  if (asked === 'all') return all;
  if ('count' in asked) {
    if (asked.count >= 1 && asked.count <= all.length) return all.slice(0, asked.count);
    throw new InputError(
      `--gpus ${asked.count}: there are not that many cards; ${listText(all)}; pass a number from 1 to ${all.length}, or a card with a comma after it (${all.at(-1)!.index},)`,
    );
  }
  return asked.list.map((index, i) => {
    if (!all[index]) throw new InputError(`--gpus ${asked.list}: there is no card ${index}; ${listText(all)}`);
    if (asked.list.indexOf(index) < i) throw new InputError(`--gpus ${asked.list}: names card ${index} twice`);
    return all[index];
  });
}

/** Whether the variable names the card, by its number or the beginning of its UUID; if it is not set, it names all cards. */
function namedForCuda({ index, uuid }: Card, variable: string | undefined): boolean {
  if (variable === undefined) return true;
  return variable
    .split(',')
    .map((word) => word.trim())
    .some((word) => (/^\d+$/.test(word) ? Number(word) === index : word.length > 4 && uuid?.startsWith(word)));
}

/** `there are 4 cards: 0 to 3 (NVIDIA H200)`. */
export function listText(cards: readonly Card[]): string {
  const names = [...new Set(cards.map(({ name }) => name))].map((name) => {
    const own = cards.filter((card) => card.name === name).map(({ index }) => index);
    const isRow = own.length > 2 && own.every((index, i) => index === own[0] + i);
    return `${isRow ? `${own[0]} to ${own.at(-1)}` : own.join(' and ')} (${name})`;
  });
  return cards.length === 1 ? `there is one card: ${names}` : `there are ${cards.length} cards: ${names.join(', ')}`;
}

export interface ChosenCards {
  readonly all: readonly Card[];
  /** One worker process per card. Without a way to choose: only the card that WebGPU takes, whichever that is. */
  readonly used: readonly Card[];
  readonly way?: Way;
  /** Why only one card of several is used. */
  readonly problem?: string;
}

/**
 * The plan for this machine; undefined: nothing is known of its cards, and WebGPU takes what it finds.
 * @throws InputError for cards that do not exist; AdapterError for cards requested by number if none can be chosen
 */
export function chooseCards(asked: Asked | undefined, env: Environment): ChosenCards | undefined {
  const all = listCards(env);
  if (asked === undefined && !all.length) return undefined;
  const used = wantedCards(asked, all, env);
  if (all.length === 1) return { all, used };
  const { way, problems } = findWay(all, env);
  if (way) return { all, used, way };
  const problem = `${listText(all)}, but a process can use only the one that WebGPU takes: ${problems.join('; ')}`;
  if (asked !== undefined && asked !== 'all' && 'list' in asked && used.length > 1)
    throw new AdapterError(`--gpus ${asked.list}: ${problem}; leave --gpus out to use one card`);
  return { all, used, problem };
}
