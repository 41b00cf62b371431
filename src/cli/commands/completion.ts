/** `rhm completion`: a script that completes command lines in a shell. */
import { Argument, type Command } from 'commander';
import { experimentFields } from '../../core/experiment.js';
import { completionScript, type Shell, shells } from '../completion.js';
import type { CommandContext } from '../context.js';
import { runFields } from '../runs/filter.js';

export function addCompletion(program: Command, io: CommandContext): void {
  program
    .command('completion')
    .description('print a script that completes commands, options and fields in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action(async (shell: Shell) => {
      const fields = (names: readonly string[]) => names.map((name) => `${name}=`);
      await io.write(
        completionScript(shell, program, {
          '--set': fields(experimentFields()),
          '--where': fields(runFields()),
          '--sort': runFields(),
          '--columns': runFields(),
        }),
      );
    });
}
