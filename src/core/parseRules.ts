import { show } from './check.js';
import { InputError } from './errors.js';
import { checkShape, type GrammarOptions, parents, type Rules, resolveWeights } from './rules.js';

const FIELDS = ['v', 'n', 'm', 's', 'L', 'rules', 'rootPrior', 'ruleProbabilities', 'name', 'seed', 'sentences'];

/**
 * A grammar from parsed JSON. Checks sizes, the range of every symbol and that no tuple of a level repeats; the message names the
 * level, symbol and rule of the first fault. Weights may be given as {"zipf": a}. @throws InputError
 */
export function parseRules(json: unknown): Rules {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new InputError(`rules file: expected an object {v, n, m, s, L, rules}, got ${show(json)}`);
  const input = json as Record<string, unknown>;
  for (const key of Object.keys(input))
    if (!FIELDS.includes(key))
      throw new InputError(`rules file: unknown field "${key}"; known are ${FIELDS.join(', ')}`);
  const shape = checkShape(input as unknown as Rules);
  const depths = list('rules', input.rules, shape.L, 'one entry per level, L');
  const rules = depths.map((symbolsOf, l) => {
    const seen = new Map<string, string>();
    return list(
      `rules[${l}]`,
      symbolsOf,
      parents(shape, l),
      l === 0 ? 'one entry per root symbol, n' : 'one entry per symbol, v',
    ).map((symbol, a) =>
      list(`rules[${l}][${a}]`, symbol, shape.m, 'one tuple per rule, m').map((tuple, k) => {
        const where = `rules[${l}][${a}][${k}]`;
        const symbols = list(where, tuple, shape.s, 'one symbol per child, s').map((x, i) => {
          if (typeof x !== 'number' || !Number.isInteger(x) || x < 0 || x >= shape.v)
            throw new InputError(`${where}[${i}]: expected a symbol from 0 to v-1 = ${shape.v - 1}, got ${show(x)}`);
          return x;
        });
        const name = symbols.join();
        const first = seen.get(name);
        if (first !== undefined)
          throw new InputError(
            `${where}: the tuple (${name}) is already at ${first}; within a level every tuple must have one parent`,
          );
        seen.set(name, where);
        return symbols;
      }),
    );
  });
  const weights = resolveWeights(shape, {
    rootPrior: input.rootPrior as GrammarOptions['rootPrior'],
    ruleProbabilities: input.ruleProbabilities as GrammarOptions['ruleProbabilities'],
  });
  return { ...shape, rules, ...weights };
}

function list(where: string, value: unknown, length: number, meaning: string): unknown[] {
  if (!Array.isArray(value)) throw new InputError(`${where}: expected an array (${meaning}), got ${show(value)}`);
  if (value.length !== length)
    throw new InputError(`${where}: expected ${length} entries (${meaning}), got ${value.length}`);
  return value;
}
