/** `rhm tune`: measures matmul variants on this adapter and keeps the winners for later runs. */
import { type Command, InvalidArgumentError } from 'commander';
import { InputError } from '../../core/errors.js';
import type { Form } from '../../kernels/matmulTiles.js';
import { type TuneShape, tuneMatmul } from '../../kernels/tune.js';
import { saveTuned } from '../../platform/tuned.js';
import type { CommandContext } from '../context.js';

export function addTune(program: Command, io: CommandContext): void {
  program
    .command('tune')
    .description('measure matmul variants on this adapter, check each result, and keep the winners in a cache file')
    .option('--shapes <list>', 'FORM:MxNxK or FORM:RxMxNxK, separated by commas', parseShapes, defaultShapes)
    .option('--adapter <name>', 'gpu, lavapipe, swiftshader or an adapter name')
    .action(async (options: { shapes: TuneShape[]; adapter?: string }, command: Command) => {
      const session = await io.platform.openGpu({ adapter: options.adapter, report: io.log });
      try {
        if (session.info.software)
          throw new InputError(
            `tune: ${session.info.name} runs on the processor and has one matmul variant; nothing to tune`,
          );
        const { results, winners } = await tuneMatmul(session, options.shapes, io.log);
        const file = saveTuned(session.info, winners);
        await io.result(
          command,
          { adapter: session.info.name, file, results },
          () => `${winners.size} winners kept in ${file}`,
        );
      } finally {
        await session.release();
      }
    });
}

/** The products of the paper's networks at batch 128 and 1024. */
const defaultShapes: TuneShape[] = [128, 1024].flatMap((batch) => [
  ...[1, 2, 4].flatMap((windows): TuneShape[] => [
    { form: 'NN', m: batch * windows, n: 512, k: 1024, replicas: 1 },
    { form: 'NT', m: batch * windows, n: 1024, k: 512, replicas: 1 },
    { form: 'TN', m: 1024, n: 512, k: batch * windows, replicas: 1 },
  ]),
  { form: 'NN', m: batch * 16, n: 768, k: 256, replicas: 1 },
  { form: 'NT', m: batch * 16, n: 256, k: 256, replicas: 1 },
  { form: 'NT', m: batch * 16, n: 256, k: 768, replicas: 1 },
  { form: 'TN', m: 256, n: 768, k: batch * 16, replicas: 1 },
]);

function parseShapes(text: string): TuneShape[] {
  return text.split(',').map((item) => {
    const found = /^(NN|NT|TN):(?:(\d+)x)?(\d+)x(\d+)x(\d+)$/.exec(item);
    if (!found)
      throw new InvalidArgumentError(`${item}: shapes like NN:512x512x1024 or TN:16x1024x512x128 are wanted.`);
    const [, form, replicas = '1', m, n, k] = found;
    return { form: form as Form, replicas: Number(replicas), m: Number(m), n: Number(n), k: Number(k) };
  });
}
