/** `rhm holdout`: languages without and with held-out pairs of rules, and what exact predictors make of their sentences. */
import type { Command } from 'commander';
import { heldOutTheory, type Predicted } from '../../analysis/heldOutTheory.js';
import { checkInteger, checkSeed } from '../../core/check.js';
import { InputError } from '../../core/errors.js';
import type { CommandContext } from '../context.js';
import { type GrammarFlags, grammarOptions, loadGrammar, looseNumber } from '../grammarOptions.js';
import { type HoldoutFlags, holdoutOf, holdoutOption, languageFrom } from '../holdoutOption.js';

interface Flags extends GrammarFlags, HoldoutFlags {
  seed: number;
  sentences: number;
}

const MOST = 2 ** 20;

export function addHoldout(program: Command, io: CommandContext): void {
  holdoutOption(grammarOptions(program.command('holdout')))
    .description(
      'hold pairs of rules out of training (grammar.holdout) and count the sentences without and with such pairs; prints, for the last token ' +
        'of both kinds, what is predicted by who knows the whole grammar, and by who knows the training language by the longest end of the context that occurs in it',
    )
    .option('--seed <seed>', 'seed of the rules and of the sentences', looseNumber, 0)
    .option('--sentences <n>', 'number of sentences of each set that the means are taken over', looseNumber, 4096)
    .action(async (flags: Flags, command: Command) => {
      const seed = checkSeed(flags.seed);
      const count = checkInteger('sentences', flags.sentences, 1, MOST, 'of each set');
      if (flags.holdout === undefined) throw new InputError('--holdout: missing; pass level:fraction, such as 2:0.25');
      const language = languageFrom(flags, await loadGrammar(flags, seed), seed);
      const { v, n, m, s, L, heldPairs } = language;
      const found = await heldOutTheory(language, count, seed);
      const { level, fraction } = holdoutOf(flags.holdout);
      const pairs = { level, fraction, held: heldPairs!.held, places: heldPairs!.places };
      await io.result(command, { grammar: { v, n, m, s, L }, ...pairs, count, ...found }, () => {
        const { sentences, sets } = found;
        const row = (name: string, set: string, p: Predicted) =>
          `  ${set.padEnd(8)} ${name.padEnd(8)} ${p.loss.toFixed(3).padStart(6)} ${p.possible.toFixed(3).padStart(9)} ${p.accuracy.toFixed(3).padStart(9)} ${p.grammatical[L - 1].toFixed(3).padStart(12)}`;
        return [
          `${pairs.held} of ${m} rules of each child held out below each rule of level ${level}: ${pairs.places} places in a sentence`,
          `distinct sentences: ${sentences.whole}; without held-out pairs ${sentences.without}, with ${sentences.with}: in the context alone ${sentences.context}, above the last token ${sentences.last}`,
          `last token, ${count} sentences a set (loss in nats where the token is possible)`,
          '  set      who        loss  possible  accuracy  grammatical',
          ...sets.flatMap(({ set, grammar, surface }) => [row('grammar', set, grammar), row('surface', set, surface)]),
        ].join('\n');
      });
    });
}
