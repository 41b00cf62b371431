/** The options that describe a grammar: a rules file, or sizes and a seed. */
import type { Command } from 'commander';
import { InputError } from '../core/errors.js';
import { parseJson } from '../core/outside.js';
import { parseRules } from '../core/parseRules.js';
import { type GrammarOptions, type GrammarShape, makeRules, type Rules, type Weights } from '../core/rules.js';
import { readText } from '../platform/atomicFile.js';
import { parseDocument, readDocument } from './document.js';

export interface GrammarFlags {
  rules?: string;
  v?: number;
  n?: number;
  m?: number;
  s?: number;
  L?: number;
  zipf?: string;
  rootPrior?: string;
  ruleProbabilities?: string;
}

/** file: whether a rules file may be given instead of sizes. */
export function grammarOptions(command: Command, file = true): Command {
  if (file)
    command.option(
      '--rules <file>',
      'read the grammar from a file (JSON or YAML, as printed by rhm rules; - for standard input) instead of drawing one of the sizes below',
    );
  return command
    .option('-v, --v <v>', 'v, vocabulary size', looseNumber)
    .option('-n, --n <n>', 'n, root symbols (default: v)', looseNumber)
    .option('-m, --m <m>', 'm, production rules per symbol', looseNumber)
    .option('-s, --s <s>', 's, branching factor (default: 2)', looseNumber)
    .option('-L, --L <L>', 'L, depth; a sentence has s^L tokens', looseNumber)
    .option(
      '--zipf <a>',
      'rule probabilities p_k ~ k^-(1+a) at every level; or "a,b,...", one value per level, - for uniform',
    )
    .option(
      '--rule-probabilities <json>',
      'rule probabilities: [p1, ..., pm] for every level, or an array with one such list per level (null for uniform)',
    )
    .option('--root-prior <json>', 'root probabilities: [p1, ..., pn] or {"zipf": a}');
}

/** The shape given by the flags. @throws InputError naming the missing size. */
export function sizesOf(flags: GrammarFlags): GrammarShape {
  for (const name of ['v', 'm', 'L'] as const)
    if (flags[name] === undefined)
      throw new InputError(`${name}: missing; give --rules FILE, or the sizes -v, -m and -L (and -s, -n)`);
  return { v: flags.v!, n: flags.n ?? flags.v!, m: flags.m!, s: flags.s ?? 2, L: flags.L! };
}

export function weightsOf(flags: GrammarFlags): GrammarOptions {
  if (flags.zipf !== undefined && flags.ruleProbabilities !== undefined)
    throw new InputError('zipf: given together with rule-probabilities; give one of them');
  const ruleProbabilities =
    flags.zipf !== undefined ? zipfOf(flags.zipf) : (json('rule-probabilities', flags.ruleProbabilities) as Weights);
  return { ruleProbabilities, rootPrior: json('root-prior', flags.rootPrior) as Weights };
}

/** The grammar: from the file, or drawn with the seed. @throws InputError, FileError */
export async function loadGrammar(flags: GrammarFlags, seed: number): Promise<Rules> {
  if (flags.rules === undefined) return makeRules(sizesOf(flags), seed, weightsOf(flags));
  const given = (['v', 'n', 'm', 's', 'L', 'zipf', 'rootPrior', 'ruleProbabilities'] as const).find(
    (name) => flags[name] !== undefined,
  );
  if (given) throw new InputError(`${given}: given together with a rules file, which decides it; give one of them`);
  const file = flags.rules;
  return parseRules(file === '-' ? readDocument(file, 'grammar') : parseDocument(await readText(file), file));
}

/** Any number, NaN for other text: the checks of the library then name the field and its bound. */
export function looseNumber(text: string): number {
  return /\S/.test(text) ? Number(text) : Number.NaN;
}

function zipfOf(text: string): Weights | Weights[] {
  const one = (part: string): Weights => (part.trim() === '-' ? null : { zipf: looseNumber(part) });
  return text.includes(',') ? text.split(',').map(one) : one(text);
}

function json(field: string, text: string | undefined): unknown {
  return text === undefined ? undefined : parseJson(text, field);
}
