/** `rhm rules`: a random grammar as JSON. */
import type { Command } from 'commander';
import type { Rules } from '../../core/rules.js';
import { languageSize } from '../../grammar/derivations.js';
import type { CommandContext } from '../context.js';
import { type GrammarFlags, grammarOptions, loadGrammar, looseNumber } from '../grammarOptions.js';
import { writeOutput } from '../output.js';

export function addRules(program: Command, io: CommandContext): void {
  grammarOptions(program.command('rules'))
    .description(
      'draw a grammar and print it as JSON {sentences, v, n, m, s, L, rules[level][symbol][rule] = tuple}, or check the one given by --rules',
    )
    .option('--seed <seed>', 'seed of the rules', looseNumber, 0)
    .option('-o, --out <file>', 'write to this file instead of standard output')
    .action(async (flags: GrammarFlags & { seed: number; out?: string }, command: Command) => {
      const rules = await loadGrammar(flags, flags.seed);
      const compact = command.optsWithGlobals().json;
      await writeOutput(io, flags.out, (write) =>
        write(compact ? `${JSON.stringify({ sentences: languageSize(rules), ...rules })}\n` : readable(rules)),
      );
    });
}

/** JSON with one line per symbol. */
function readable(grammar: Rules): string {
  const { rules, ...rest } = { sentences: languageSize(grammar), ...grammar };
  const levels = rules.map(
    (symbols) => `[\n      ${symbols.map((symbol) => JSON.stringify(symbol)).join(',\n      ')}\n    ]`,
  );
  const head = JSON.stringify(rest, null, 2).slice(0, -2);
  return `${head},\n  "rules": [\n    ${levels.join(',\n    ')}\n  ]\n}\n`;
}
