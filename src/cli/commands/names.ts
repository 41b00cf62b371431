/**
 * `rhm models`, `tasks`, `optimisers`, `measures`: the names that an experiment may use, one per line, from the tables that define them.
 */
import type { Command } from 'commander';
import { modelFacts, modelFields, modelKinds } from '../../core/modelFacts.js';
import { optimisers } from '../../core/optimisers.js';
import { DEFAULT_TASK, taskKinds, tasks } from '../../core/tasks.js';
import { measures } from '../../measures/index.js';
import type { CommandContext } from '../context.js';

/** A row: its name, its description, and further facts by name. */
interface Row {
  name: string;
  about: string;
  facts: Readonly<Record<string, readonly string[]>>;
}

/** One list a command. */
const lists: Readonly<Record<string, { description: string; rows(): Row[] }>> = {
  models: {
    description: 'list the models, including those of --models: title, tasks, default optimiser, options',
    rows: () =>
      modelKinds().map((name) => {
        const { title, about, tasks, optimiser } = modelFacts(name);
        const facts = { tasks, 'trained by': [optimiser.kind], options: modelFields(name) };
        return { name, about: `${title}: ${about}`, facts };
      }),
  },
  tasks: {
    description: 'list the tasks: what is predicted, and by which models',
    rows: () =>
      taskKinds.map((name) => {
        const models = modelKinds().filter((kind) => modelFacts(kind).tasks.includes(name));
        const usual = name === DEFAULT_TASK ? ' (default)' : '';
        return { name, about: `predict ${tasks[name].predicts}${usual}`, facts: { models } };
      }),
  },
  optimisers: {
    description: 'optimisers that `optimiser` of an experiment may name, and their options',
    rows: () =>
      Object.entries(optimisers).map(([name, { title, about, fields }]) => ({
        name,
        about: `${title}: ${about}`,
        facts: { options: Object.keys(fields) },
      })),
  },
  measures: {
    description: 'list the measures of representation',
    rows: () => Object.entries(measures).map(([name, { about }]) => ({ name, about, facts: {} })),
  },
};

export function addNames(program: Command, io: CommandContext): void {
  for (const [list, { description, rows }] of Object.entries(lists))
    program
      .command(list)
      .description(description)
      .action(async (_: unknown, command: Command) => {
        const all = rows();
        const value = all.map(({ name, about, facts }) => ({ name, about, ...facts }));
        await io.result(command, value, () => textOf(all));
      });
}

function textOf(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2;
  return rows
    .flatMap(({ name, about, facts }) => [
      `${name.padEnd(width)}${about}`,
      ...Object.entries(facts).flatMap(([fact, values]) =>
        values.length ? [`${' '.repeat(width)}${fact}: ${values.join(', ')}`] : [],
      ),
    ])
    .join('\n');
}
