/** `rhm holdout`: sizes of the languages without and with held-out pairs of rules, and two exact predictors on their sentences. */
import type { Command } from 'commander';
import { heldOutTheory, type Predicted } from '../../analysis/heldOutTheory.js';
import { checkInteger, checkSeed } from '../../core/check.js';
import { counted } from '../../core/counted.js';
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
      'hold pairs of rules out of training as grammar.holdout does, and count the sentences without and with such pairs; prints how well two ' +
        'exact predictors guess the last token of both: the one of the whole grammar, and the one of the training language given the longest end ' +
        'of the context that occurs in it (the surface)',
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
          `${pairs.held} of the ${m} rules of each child are held out below each rule of level ${level}, at ${counted(pairs.places, 'place')} of a sentence`,
          `distinct sentences: ${sentences.whole}; without held-out pairs ${sentences.without}; with some ${sentences.with}, of which in the context only ${sentences.context}, above the last token ${sentences.last}`,
          `last token of ${counted(count, 'sentence')} of each set (loss in nats over the sentences whose token has a probability above 0, their fraction under "possible")`,
          '  set      predictor  loss  possible  accuracy  grammatical',
          ...sets.flatMap(({ set, grammar, surface }) => [row('grammar', set, grammar), row('surface', set, surface)]),
        ].join('\n');
      });
    });
}
