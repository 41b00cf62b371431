/** Compositions that training never shows: `grammar.holdout`. The question is from arXiv:2404.16367. */
import { InputError } from './errors.js';
import { type HeldLanguage, type HeldPairs, parents, type Rules } from './rules.js';
import { streamKey } from './threefry.js';
import { UniformStream } from './uniform.js';

export interface Holdout {
  level: number; // level of the parents, counted from the tokens: 2 .. L
  fraction: number; // fraction of a child's m rules that is held out below each rule of its parent
  seed?: number; // seed of the pairs
}

const TABLE_LIMIT = 2 ** 24; // numbers in the table of pairs
const short = (x: number) => Number(x.toPrecision(3));

/** h, the number of a child's rules that are held out: the fraction of m, rounded. @throws InputError */
export function heldRules({ m, L }: Pick<Rules, 'm' | 'L'>, { level, fraction }: Holdout): number {
  const field = 'grammar.holdout';
  if (L < 2)
    throw new InputError(`${field}: a grammar of depth L = ${L} has no rule below another; take L of 2 or more`);
  if (!(Number.isInteger(level) && level >= 2 && level <= L))
    throw new InputError(
      `${field}.level: got ${level}; pass the level of the parents, from 2 (their children write the tokens) to L = ${L} (the root)`,
    );
  if (m < 2) throw new InputError(`${field}: with m = ${m} rule per symbol none can be held out; take m of 2 or more`);
  const held = Math.round(fraction * m);
  if (held >= m)
    throw new InputError(
      `${field}.fraction: ${fraction} of m = ${m} rules leaves no sentence; pass at most ${short((m - 1) / m)}, ${m - 1} of them`,
    );
  if (!(held >= 1))
    throw new InputError(
      `${field}.fraction: ${fraction} of m = ${m} rules holds none out; pass at least ${short(1 / m)}, one of them`,
    );
  return held;
}

/**
 * The language of a grammar with or without held-out pairs. For every child below every rule of the parents' level, h of its m rules
 * are held out. Each symbol's rules are held out equally often, to within one, over all the places of that symbol, so that training
 * shows every rule of a symbol that has two places or more. @throws InputError naming the field
 */
export function heldLanguage(rules: Rules, holdout: Holdout, language: HeldLanguage, seed = 0): Rules {
  const held = heldRules(rules, holdout);
  if (rules.rootPrior || rules.ruleProbabilities)
    throw new InputError(
      'grammar.holdout: roots or rules are weighted, so that the sentences left are not equally probable; leave rootPrior and ruleProbabilities out',
    );
  return { ...rules, heldPairs: drawPairs(rules, holdout.level, held, holdout.seed ?? seed, language) };
}

/** The sets on which networks are evaluated: without held-out pairs, with some in the context alone, with one above the last token. */
export const heldSets = ['without', 'context', 'last'] as const satisfies readonly HeldLanguage[];
export type HeldSet = (typeof heldSets)[number];

/** Another language defined by the same pairs. */
export function relatedLanguage(language: Rules, name: HeldLanguage): Rules {
  return { ...language, heldPairs: { ...language.heldPairs!, ...lastPlaces(language, language.heldPairs!, name) } };
}

function drawPairs(rules: Rules, level: number, held: number, seed: number, language: HeldLanguage): HeldPairs {
  const { v, m, s, L } = rules;
  const depth = L - level + 1;
  const children = rules.rules[depth - 1].flat(2); // symbols, by rule of the parent and place
  if (children.length * m > TABLE_LIMIT)
    throw new InputError(
      `grammar.holdout: ${parents(rules, depth - 1)} symbols * m * s * m = ${children.length * m} pairs are over the limit of ${TABLE_LIMIT}; take a smaller m`,
    );
  const random = new UniformStream(streamKey(seed, 'holdout', level));
  const uses = Array.from({ length: v }, () => new Uint32Array(m)); // how often each rule is held out
  const order = new Array<Uint32Array>(children.length);
  for (const at of shuffled(children.length, random)) {
    const used = uses[children[at]];
    const ties = Array.from({ length: m }, () => random.word());
    const byUse = Array.from({ length: m }, (_, k) => k).sort(
      (a, b) => used[a] - used[b] || ties[a] - ties[b] || a - b,
    );
    const out = byUse.slice(0, held).sort((a, b) => a - b);
    const allowed = byUse.slice(held).sort((a, b) => a - b);
    for (const k of out) used[k]++;
    order[at] = Uint32Array.from([...allowed, ...out]);
  }
  const pairs = { depth, places: s ** depth, held, order };
  return { ...pairs, ...lastPlaces(rules, pairs, language) };
}

function shuffled(count: number, random: UniformStream): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function lastPlaces(
  rules: Rules,
  { held, places }: Pick<HeldPairs, 'held' | 'places'>,
  language: HeldLanguage,
): Pick<HeldPairs, 'language' | 'sums' | 'shares'> {
  return {
    language,
    sums: sumsOf(rules, held, places, language),
    shares: sharesOf(rules.m, held, places, language),
  };
}

function sumsOf({ n, m, s, L }: Rules, held: number, places: number, language: HeldLanguage): bigint[] {
  if (language === 'without' || places >= 64) return [];
  const others = BigInt(n) * BigInt(m) ** BigInt((s ** L - 1) / (s - 1) - places);
  const [all, allowed] = [BigInt(m), BigInt(m - held)];
  const sum = (j: number) =>
    others * (all ** BigInt(j + 1) * allowed ** BigInt(places - 1 - j) - allowed ** BigInt(places));
  const sums = Array.from({ length: places }, (_, j) => sum(j));
  const context = sums[places - 2];
  if (language === 'context') return sums.map((x) => (x < context ? x : context));
  return language === 'last' ? sums.map((x) => (x > context ? x - context : 0n)) : sums;
}

function sharesOf(m: number, held: number, places: number, language: HeldLanguage): number[] {
  if (language === 'without') return [];
  const log = Math.log1p(-held / m); // log of the fraction of rules allowed
  const sum = (j: number) => -Math.exp((places - 1 - j) * log) * Math.expm1((j + 1) * log);
  const end = sum(language === 'context' ? places - 2 : places - 1);
  return Array.from({ length: places }, (_, j) =>
    language === 'last' ? Number(j === places - 1) : Math.min(1, sum(j) / end),
  );
}
