/** `rhm predict`: logits and hidden layers of a trained network on given sentences. */
import { type Command, Option } from 'commander';
import { InputError } from '../../core/errors.js';
import { npyHeader } from '../../core/npy.js';
import { encodeSafetensors, type SafeTensor } from '../../core/safetensors.js';
import { tasks } from '../../core/tasks.js';
import { openExecutor } from '../../platform/executor.js';
import { type Logits, logitsOf, type Numbers } from '../../training/logits.js';
import { weightsOf } from '../../training/weights.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, integer } from '../context.js';
import { type Write, writeOutput } from '../output.js';
import { readMaskedRows, readRows } from '../ownData.js';
import { RUN, readRun, runFolder, STORE } from '../runFolder.js';

interface Options extends ComputeOptions {
  tokens: string;
  format: 'jsonl' | 'npy' | 'safetensors';
  hidden?: true | string[];
  out?: string;
  weights: 'best' | 'last';
  replica: number;
  store: string[];
}

export function addPredict(program: Command, io: CommandContext): void {
  const command = program
    .command('predict')
    .description('print the logits, and on request the hidden layers, of a trained network on given sentences')
    .argument('<run>', RUN)
    .requiredOption(
      '--tokens <file>',
      'sentences, one per row: .npy [rows, s^L], lines of numbers, or JSON lines as printed by rhm sample; - for standard input. ' +
        'For a run of task mask, ? or -1 (null in JSON) is a masked token',
    )
    .addOption(
      new Option(
        '--format <format>',
        'jsonl: one {index, predicted, logits} per line; npy: logits; safetensors: all tensors',
      )
        .choices(['jsonl', 'npy', 'safetensors'])
        .default('jsonl'),
    )
    .option('--hidden [names...]', 'also write hidden layers, all or those named; needs --format safetensors')
    .option('-o, --out <file>', 'write to this file instead of standard output')
    .addOption(new Option('--weights <which>', 'which weights: best or last').choices(['best', 'last']).default('best'))
    .option('--replica <r>', 'replica, for a run with several', integer(0), 0)
    .option('--store <folder...>', STORE, ['out']);
  addComputeOptions(command).action(async (run: string, options: Options) => {
    const { hidden, format } = options;
    if (hidden && format !== 'safetensors')
      throw new InputError(`--hidden: ${format} holds logits alone; add --format safetensors`);
    const { experiment, checkpoint, checkpointFile } = await readRun(await runFolder(run, options.store), io.log);
    const { masks } = tasks[experiment.task.kind];
    const tokens = (masks ? readMaskedRows : readRows)(options.tokens);
    const weights = weightsOf(checkpoint, checkpointFile, { which: options.weights, replica: options.replica });
    const { executor, release } = await openExecutor(io.platform, options, io.log);
    try {
      const found = await logitsOf(experiment, weights, tokens, executor, hidden);
      await writeOutput(io, options.out, (write) => formats[format](found, write, weights.metadata));
    } finally {
      await release();
    }
  });
}

const formats: Record<
  Options['format'],
  (found: Logits, write: Write, about: Record<string, string>) => Promise<void>
> = {
  async jsonl({ shape, data }, write) {
    const classes = shape[shape.length - 1];
    const each = shape.slice(1).reduce((a, b) => a * b, 1);
    for (let index = 0; index < shape[0]; index++) {
      const rows = Array.from({ length: each / classes }, (_, r) => [
        ...data.subarray(index * each + r * classes, index * each + (r + 1) * classes),
      ]);
      const best = rows.map((row) => row.indexOf(Math.max(...row)));
      const whole = shape.length > 2;
      await write(`${JSON.stringify({ index, predicted: whole ? best : best[0], logits: whole ? rows : rows[0] })}\n`);
    }
  },
  async npy({ shape, data }, write) {
    await write(npyHeader('<f4', shape));
    await write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  },
  async safetensors({ hidden, ...logits }, write, metadata) {
    const tensor = ({ shape, data }: Numbers): SafeTensor => ({ dtype: 'F32', shape, data });
    const named = Object.entries(hidden).map(([name, numbers]) => [name, tensor(numbers)] as const);
    await write(encodeSafetensors({ metadata, tensors: new Map([['logits', tensor(logits)], ...named]) }));
  },
};
