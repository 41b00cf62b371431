/** `--holdout` and `--language`: languages with and without held-out pairs of rules, as grammar.holdout describes them. */
import { type Command, Option } from 'commander';
import { checkSeed } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { type Holdout, heldLanguage } from '../core/holdout.js';
import { type HeldLanguage, heldLanguages, type Rules } from '../core/rules.js';

export interface HoldoutFlags {
  holdout?: string;
  language?: HeldLanguage;
}

export function holdoutOption(command: Command): Command {
  return command.option(
    '--holdout <level:fraction>',
    'hold out pairs (rule of a symbol, rule of one of its children) as grammar.holdout does: level of the parents, 2 to L, and fraction of ' +
      'the rules of each child; level:fraction:seed draws the pairs from a seed of their own',
  );
}

export function languageOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--language <name>',
      'with --holdout: draw sentences without held-out pairs (default), with at least one, with some in the context only, or with one above the last token',
    ).choices([...heldLanguages]),
  );
}

/** @throws InputError naming the option and the bound */
export function holdoutOf(text: string): Holdout {
  const parts = text.split(':').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (parts.length < 2 || parts.length > 3 || parts.some(Number.isNaN))
    throw new InputError(`--holdout: got "${text}"; pass level:fraction, such as 2:0.25, or level:fraction:seed`);
  const [level, fraction, seed] = parts;
  return { level, fraction, ...(seed === undefined ? {} : { seed: checkSeed(seed, '--holdout, seed') }) };
}

/** The sentences that the flags select, for a grammar whose rules have this seed. */
export function languageFrom({ holdout, language }: HoldoutFlags, rules: Rules, seed: number): Rules {
  if (holdout !== undefined) return heldLanguage(rules, holdoutOf(holdout), language ?? 'without', seed);
  if (language !== undefined) throw new InputError(`--language: of which held-out pairs? add --holdout level:fraction`);
  return rules;
}
