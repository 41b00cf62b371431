/** `rhm python`: the path of the module for Python. */
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import type { CommandContext } from '../context.js';

export function addPython(program: Command, io: CommandContext): void {
  program
    .command('python')
    .description('print the path of rhm.py: runs, sweeps, sentences and weights from Python, models as torch modules')
    .action(async (_: unknown, command: Command) => {
      const file = join(dirname(realpathSync(process.argv[1])), 'rhm.py');
      await io.result(command, { file }, () => file);
    });
}
