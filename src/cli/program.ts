/** The command line for commander: the commands of the table, the options that all of them take, examples. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { printable } from '../core/outside.js';
import { loadModels } from '../models/define.js';
import type { Platform } from '../platform/platform.js';
import { commands } from './commands/index.js';
import { createContext } from './context.js';
import { examplesText } from './examples.js';

export function buildProgram(platform: Platform): Command {
  const program = new Command('rhm')
    .description(packageJson.description)
    .version(packageJson.version, '-V, --version')
    .option('--debug', 'show stack traces (also RHM_DEBUG=1)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nEvery command takes --json and --quiet. Exit status: 0 done, 1 failed, 2 wrong usage or input, 128 + n stopped by signal n with everything saved.',
    );
  const io = createContext(platform);
  for (const add of commands) add(program, io);
  for (const { command, name } of allCommands(program)) {
    command.addHelpText('after', examplesText(name));
    if (command !== program) command.copyInheritedSettings(program);
    command.configureOutput({ outputError: (text, write) => write(usageError(text, name)) });
    if (command === program) continue;
    if (command.commands.length) continue; // its subcommands have them
    if (!command.options.some((option) => option.long === '--json'))
      command.option('--json', 'machine-readable output on standard output');
    command.option('--quiet', 'print only errors to standard error');
    command.option('--debug', 'show stack traces of errors');
    command.option(
      '--models <module...>',
      `JavaScript modules that define models of your own (see rhm-lab/engine)${command.options.some(({ long }) => long === '--set') ? ', which --set model=NAME can then use' : ''}`,
    );
  }
  program.hook('preAction', async (_, command) => {
    const { models = [], quiet } = command.opts<{ models?: string[]; quiet?: boolean }>();
    io.quiet = quiet ?? false;
    const urls = models.map((path) => (/^(file|https?|data):/.test(path) ? path : pathToFileURL(resolve(path)).href));
    command.setOptionValue('models', urls); // in the form that executors and workers take
    await loadModels(urls);
  });
  return program;
}

/** An error of commander in one line, with the help of the command that refused the words. name: '' for the program itself. */
function usageError(text: string, name: string): string {
  const line = printable(text)
    .trim()
    .replace(/\.$/, '')
    .replace(/\s*\n\s*/g, ' ');
  return `${line}; see ${['rhm', ...(name ? [name] : []), '--help'].join(' ')}\n`;
}

/** The program and every command below it, with its name as it is typed after `rhm`. */
export function allCommands(program: Command): { command: Command; name: string }[] {
  const below = (command: Command, name: string): { command: Command; name: string }[] => [
    { command, name },
    ...command.commands.flatMap((inner) => below(inner, name ? `${name} ${inner.name()}` : inner.name())),
  ];
  return below(program, '');
}
