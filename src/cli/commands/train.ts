/** `rhm train`: one experiment, from its file or from --set, to records, weights and checkpoints in a folder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { contentHash } from '../../core/canonical.js';
import { FileError, InputError } from '../../core/errors.js';
import { type Experiment, experimentJsonSchema, parseExperiment } from '../../core/experiment.js';
import { parseJson } from '../../core/outside.js';
import { decodeSafetensors, type SafeFile } from '../../core/safetensors.js';
import { applySettings } from '../../core/settings.js';
import { measures } from '../../measures/index.js';
import { createModel } from '../../models/index.js';
import { type OpenExecutor, openExecutor } from '../../platform/executor.js';
import { openRunFolder } from '../../platform/nodeFolder.js';
import { floorsOf } from '../../theory/floors.js';
import { lazyFolder } from '../../training/folder.js';
import { type Progress, train } from '../../training/loop.js';
import { plannedSteps, rulesOf } from '../../training/members.js';
import { weightsDigest } from '../../training/weights.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, number } from '../context.js';
import { DATA_FILE, type DataFiles, placeOf, readOwnData } from '../ownData.js';
import { abortOnSignals, timeText } from '../running.js';

interface Options extends ComputeOptions {
  set?: string[];
  out?: string;
  resume?: boolean;
  init?: string;
  checkpointSeconds: number;
  schema?: boolean;
  json?: boolean;
}

export function addTrain(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('train')
      .description('train one experiment: records, weights and checkpoints in a folder')
      .argument('[experiment]', 'JSON file, or - for standard input; every field has a default')
      .option('--set <field=value...>', 'fields on top of the file, for example model=hcnn grammar.m=4 model.width=64')
      .option(
        '--out <dir>',
        'run folder (default: out/<hash of the experiment>, with --init also the digest of its weights)',
      )
      .option('--resume', 'continue from the checkpoint in the folder, to the same bits')
      .option('--init <file>', 'start from the weights of a safetensors file'),
  )
    .option('--checkpoint-seconds <n>', 'time between checkpoints', number(0), 30)
    .option('--schema', 'print the JSON Schema of an experiment file and stop')
    .action(async (file: string | undefined, options: Options, command: Command) => {
      if (options.schema) {
        await io.write(`${JSON.stringify(experimentJsonSchema(), null, 2)}\n`);
        return;
      }
      const { experiment, files: dataFiles } = await readExperimentAndData(file, options.set ?? [], options.out);
      const hash = await contentHash(experiment);
      const plateaus = (!experiment.data && floorsOf(experiment.task, rulesOf(experiment))) || [];
      const init = options.init ? readWeights(options.init) : undefined;
      const start = init ? `-init-${await weightsDigest(createModel(experiment), init)}` : '';
      const out = options.out ?? join('out', `${hash}${start}`);
      const folder = lazyFolder(out, () => {
        io.log(`experiment ${hash}\n${JSON.stringify(experiment, null, 2)}`);
        return openRunFolder(out);
      });
      const abort = abortOnSignals(io);
      try {
        let opened: OpenExecutor | undefined;
        let noted: Promise<void> | undefined;
        try {
          const result = await train(experiment, {
            async executor() {
              opened = await openExecutor(io.platform, options, io.log);
              return opened.executor;
            },
            folder,
            resume: options.resume,
            init,
            measures,
            runtime: io.platform.runtime,
            signal: abort.signal,
            checkpointMs: options.checkpointSeconds * 1000,
            onStart: ({ executor, memoryBytes, step, unchecked }) => {
              if (dataFiles) noted = folder.write(DATA_FILE, `${JSON.stringify(dataFiles, null, 2)}\n`);
              if (unchecked.length)
                io.log(`${out}: ${unchecked.join(' and ')} unchecked: written by a version without digests`);
              io.log(
                `${step ? `continuing from step ${step}` : 'running'} on ${executor}, ${(memoryBytes / 2 ** 20).toFixed(1)} MiB there; records and weights into ${out}`,
              );
            },
            onProgress(progress) {
              if (!options.json) io.progress(progressLine(progress, plateaus));
            },
          });
          await noted;
          const summary = {
            hash,
            out,
            reason: result.reason,
            step: result.step,
            steps: plannedSteps(experiment),
            loss: result.loss,
            H: plateaus,
          };
          await io.result(command, summary, () => resultText(summary));
          if (result.reason === 'diverged') process.exitCode = 1;
          if (result.reason === 'interrupted') process.exitCode = abort.status;
        } finally {
          await opened?.release();
        }
      } finally {
        abort.stop();
        await folder.release();
      }
    });
}

/** The same, with the rows of tokens that it names by files. out: the run's folder, which remembers them. @throws InputError */
export async function readExperimentAndData(
  file: string | undefined,
  pairs: readonly string[],
  out?: string,
): Promise<{ experiment: Experiment; files?: DataFiles }> {
  const raw = rawExperiment(file, pairs);
  const { experiment, files } = await readOwnData(raw, [...(out ? [out] : []), ...placeOf(file)]);
  return { experiment: parseExperiment(experiment), files };
}

/** @throws InputError naming the file or the field. */
export const readExperiment = (file: string | undefined, pairs: readonly string[]): Experiment =>
  parseExperiment(rawExperiment(file, pairs));

function rawExperiment(file: string | undefined, pairs: readonly string[]): Record<string, unknown> {
  let raw: Record<string, unknown> = {};
  if (file !== undefined) {
    const value = parseJson(readBytes(file), file === '-' ? 'standard input' : file);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new InputError(`${file}: holds no object; pass one such as {"model": "hcnn"}`);
    raw = value as Record<string, unknown>;
  } else if (!pairs.length)
    throw new InputError(
      'experiment: pass a JSON file, or fields with --set, for example --set model=hcnn grammar.m=4',
    );
  return applySettings(raw, pairs);
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new InputError(`${file}: ${(error as NodeJS.ErrnoException).code ?? error}; pass a readable file`);
  }
}

function readWeights(file: string): SafeFile {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(file));
  } catch (error) {
    throw new InputError(`--init ${file}: ${(error as NodeJS.ErrnoException).code ?? error}; pass a readable file`);
  }
  try {
    return decodeSafetensors(bytes, file);
  } catch (error) {
    throw error instanceof FileError ? new InputError(`--init ${error.message}`) : error;
  }
}

function progressLine({ step, steps, loss, samplesPerSecond, secondsLeft }: Progress, H: readonly number[]): string {
  const next = H.findIndex((h) => h < loss);
  const plateau = next > 0 ? `, next plateau H(${next}) = ${H[next].toFixed(3)}` : '';
  const rate = samplesPerSecond >= 1e4 ? `${(samplesPerSecond / 1e3).toFixed(0)}k` : samplesPerSecond.toFixed(0);
  return `step ${step}/${steps}  loss ${loss.toFixed(4)}${plateau}  ${rate} samples/s  ${timeText(secondsLeft)} left`;
}

function resultText(r: {
  out: string;
  reason: string;
  step: number;
  steps: number;
  loss: number[];
  H: number[];
}): string {
  const H = r.H.length ? `; exact plateaus H(0..L): ${r.H.map((h) => h.toFixed(4)).join(', ')}` : '';
  const more = r.reason === 'interrupted' ? `; continue with --resume --out ${r.out}` : '';
  return `${r.reason} at step ${r.step} of ${r.steps}: test loss ${r.loss.map((x) => x.toFixed(4)).join(', ')} nats${H}; records and weights in ${r.out}${more}`;
}
