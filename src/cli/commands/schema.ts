/** `rhm schema`: the schema of a file, for editors and validators. */
import { Argument, type Command } from 'commander';
import { experimentFileSchema } from '../../core/fileSchema.js';
import { gridJsonSchema } from '../../sweep/gridSchema.js';
import type { CommandContext } from '../context.js';

const schemas = { experiment: experimentFileSchema, grid: gridJsonSchema };

export function addSchema(program: Command, io: CommandContext): void {
  program
    .command('schema')
    .description(
      'print the JSON Schema of experiment files or of grid files, for editors; includes the models of --models',
    )
    .addArgument(new Argument('[file]', 'kind of file').choices(Object.keys(schemas)).default('experiment'))
    .action(async (file: keyof typeof schemas) => {
      await io.write(`${JSON.stringify(schemas[file](), null, 2)}\n`);
    });
}
