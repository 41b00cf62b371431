/** `rhm export`: the weights of a run in a file that PyTorch loads; or runs as event files of TensorBoard. */
import { type Command, Option } from 'commander';
import { counted } from '../../core/counted.js';
import { InputError } from '../../core/errors.js';
import { encodeSafetensors } from '../../core/safetensors.js';
import { writeAtomically } from '../../platform/atomicFile.js';
import { exportTensorboard, tensorboardFolder } from '../../platform/tensorboard.js';
import { weightsOf } from '../../training/weights.js';
import { type CommandContext, integer } from '../context.js';
import { RUN, readRun, runFolder } from '../runFolder.js';
import { parseConditions } from '../runs/filter.js';
import { chooseRuns } from '../runs/select.js';

interface Options {
  out?: string;
  weights: 'best' | 'last';
  replica: number;
  tensorboard?: boolean;
  where?: string[];
}

export function addExport(program: Command, io: CommandContext): void {
  program
    .command('export')
    .description(
      "export a run's weights as safetensors, with the names and shapes of the authors' PyTorch code; or runs as TensorBoard event files",
    )
    .argument('<run>', `${RUN}, of those in out; with --tensorboard a folder: of a run, a store, or any with runs`)
    .option('-o, --out <file>', 'safetensors file to write; with --tensorboard a folder (default: <run>/tensorboard)')
    .addOption(
      new Option('--weights <which>', 'weights at the lowest test loss, or at the last step')
        .choices(['best', 'last'])
        .default('best'),
    )
    .option('--replica <r>', 'replica, for a run with several', integer(0), 0)
    .option('--tensorboard', 'write losses, accuracies and measures as event files, one folder per run')
    .option('--where <condition...>', 'with --tensorboard: only runs that meet these conditions (see rhm runs)')
    .action((run: string, options: Options, command: Command) =>
      options.tensorboard ? exportEvents(io, run, options, command) : exportWeights(io, run, options, command),
    );
}

async function exportWeights(io: CommandContext, run: string, options: Options, command: Command): Promise<void> {
  const { out, weights, replica } = options;
  if (out === undefined) throw new InputError('--out: pass a safetensors file to write, or --tensorboard');
  if (options.where) throw new InputError('--where: chooses among runs for --tensorboard; pass the folder of one run');
  const { checkpoint, checkpointFile } = await readRun(await runFolder(run), io.log);
  const file = weightsOf(checkpoint, checkpointFile, { which: weights, replica });
  await writeAtomically(out, encodeSafetensors(file));
  const tensors = Object.fromEntries([...file.tensors].map(([name, { shape }]) => [name, shape]));
  const parameters = [...file.tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
  await io.result(
    command,
    { out, ...file.metadata, parameters, tensors },
    () =>
      `${out}: ${parameters} parameters, ${weights} weights (step ${file.metadata.step})\n` +
      Object.entries(tensors)
        .map(([name, shape]) => `  ${name} [${shape.join(', ')}]`)
        .join('\n'),
  );
}

async function exportEvents(io: CommandContext, root: string, options: Options, command: Command): Promise<void> {
  const runs = await chooseRuns(root, (options.where ?? []).flatMap(parseConditions));
  if (!runs.length)
    throw new InputError(`${root}: no run meets ${options.where?.join(', ')}; rhm runs ${root} lists them`);
  const result = await exportTensorboard(runs, options.out ?? tensorboardFolder(root));
  for (const fault of result.damaged.flatMap((run) => run.faults)) io.log(`left out: ${fault}`);
  if (result.damaged.length) process.exitCode = 1;
  await io.result(
    command,
    result,
    () =>
      `${counted(result.scalars, 'scalar')} of ${counted(result.runs, 'run')} in ${result.folder}; view them with: tensorboard --logdir ${result.folder}`,
  );
}
