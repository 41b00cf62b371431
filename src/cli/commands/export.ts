/** `rhm export`: the weights of a run, alone, as PyTorch loads them. */
import { type Command, Option } from 'commander';
import { encodeSafetensors } from '../../core/safetensors.js';
import { writeAtomically } from '../../platform/atomicFile.js';
import { weightsOf } from '../../training/weights.js';
import { type CommandContext, integer } from '../context.js';
import { readRun } from '../runFolder.js';

interface Options {
  out: string;
  weights: 'best' | 'last';
  replica: number;
}

export function addExport(program: Command, io: CommandContext): void {
  program
    .command('export')
    .description("a run's weights as safetensors, in the names and shapes of the PyTorch reference")
    .argument('<run>', 'folder of a run')
    .requiredOption('-o, --out <file>', 'safetensors file to write')
    .addOption(
      new Option('--weights <which>', 'of the lowest test loss, or of the last step')
        .choices(['best', 'last'])
        .default('best'),
    )
    .option('--replica <r>', 'which of several replicas', integer(0), 0)
    .action(async (run: string, options: Options, command: Command) => {
      const { checkpoint, checkpointFile } = await readRun(run, io.log);
      const file = weightsOf(checkpoint, checkpointFile, { which: options.weights, replica: options.replica });
      await writeAtomically(options.out, encodeSafetensors(file));
      const tensors = Object.fromEntries([...file.tensors].map(([name, { shape }]) => [name, shape]));
      const parameters = [...file.tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
      await io.result(
        command,
        { out: options.out, ...file.metadata, parameters, tensors },
        () =>
          `${options.out}: ${parameters} parameters, ${options.weights} weights (step ${file.metadata.step})\n` +
          Object.entries(tensors)
            .map(([name, shape]) => `  ${name} [${shape.join(', ')}]`)
            .join('\n'),
      );
    });
}
