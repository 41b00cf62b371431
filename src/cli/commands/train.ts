/** `rhm train`: one experiment, from its file or from --set, to records, weights and checkpoints in a folder. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { exactFloors } from '../../analysis/curves.js';
import { beyondLanguage, overviewOf } from '../../analysis/overview.js';
import { readRun as readRecords } from '../../analysis/runs.js';
import { contentHash } from '../../core/canonical.js';
import { FileError, InputError } from '../../core/errors.js';
import { type Experiment, parseExperiment } from '../../core/experiment.js';
import { experimentFileSchema } from '../../core/fileSchema.js';
import { files, printableJson } from '../../core/outside.js';
import { decodeSafetensors, type SafeFile } from '../../core/safetensors.js';
import { applySettings } from '../../core/settings.js';
import { measures } from '../../measures/index.js';
import { createModel } from '../../models/index.js';
import { type OpenExecutor, openExecutor } from '../../platform/executor.js';
import { findRuns } from '../../platform/findRun.js';
import { openRunFolder } from '../../platform/nodeFolder.js';
import { readRunFolder } from '../../platform/runFolders.js';
import { continuedExperiment, type Parent, parentMissing } from '../../training/continued.js';
import { lazyFolder } from '../../training/folder.js';
import { type Progress, train } from '../../training/loop.js';
import { plannedSteps, rulesOf } from '../../training/members.js';
import { weightsDigest } from '../../training/weights.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, number } from '../context.js';
import { DOCUMENT, readDocument } from '../document.js';
import { DATA_FILE, type DataFiles, placeOf, readOwnData } from '../ownData.js';
import { whyUnread } from '../readInput.js';
import { readRun } from '../runFolder.js';
import { abortOnSignals, timeText } from '../running.js';
import { settingsOf, settingText } from '../runs/read.js';
import { planText, trainingPlan } from '../trainingPlan.js';

interface Options extends ComputeOptions {
  set?: string[];
  out?: string;
  resume?: boolean;
  init?: string;
  from?: string;
  checkpointSeconds: number;
  schema?: boolean;
  dryRun?: boolean;
  verbose?: boolean;
  json?: boolean;
}

export function addTrain(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('train')
      .description(
        'train one experiment and write records, weights and checkpoints to a folder; rhm models, tasks, optimisers and measures list what it can name',
      )
      .argument('[experiment]', `${DOCUMENT}; every field has a default`)
      .option(
        '--set <field=value...>',
        'set fields of the experiment, for example model=hcnn grammar.m=4 model.width=64',
      )
      .option(
        '--out <dir>',
        'run folder (default: out/<hash of the experiment>; with --init the digest of the weights is added)',
      )
      .option(
        '--resume',
        'continue from the checkpoint in the folder; the result has the same bits as an uninterrupted run',
      )
      .option('--init <file>', 'start from the weights of a safetensors file')
      .option(
        '--from <run>',
        'continue another run (folder, hash or name) as a new one, with its weights, moments, step and position in the data; --set changes settings',
      ),
  )
    .option('--checkpoint-seconds <n>', 'time between checkpoints', number(0), 30)
    .option('--verbose', 'print the whole experiment at the start, with all defaults')
    .option('--dry-run', 'check the experiment, print its hash, parameters and memory, and write nothing')
    .option('--schema', 'print the JSON Schema of experiment files (as rhm schema does)')
    .action(async (file: string | undefined, options: Options, command: Command) => {
      if (options.schema) {
        await io.write(`${JSON.stringify(experimentFileSchema(), null, 2)}\n`);
        return;
      }
      const parent = options.from === undefined ? undefined : await readParent(options, io.log);
      const { experiment: wanted, files: dataFiles } = await readExperimentAndData(
        file ?? resumedFile(options),
        options.set ?? [],
        options.out,
        parent?.experiment,
      );
      const experiment = parent ? await continuedExperiment(parent, wanted) : wanted;
      const hash = await contentHash(experiment);
      const plateaus = (!experiment.data && exactFloors(experiment, rulesOf(experiment))) || [];
      const init = options.init ? readWeights(options.init) : undefined;
      const start = init ? `-init-${await weightsDigest(createModel(experiment), init)}` : '';
      const out = options.out ?? join('out', `${hash}${start}`);
      if (experiment.from && !parent && !existsSync(join(out, 'checkpoint.safetensors')))
        throw parentMissing(experiment.from);
      if (options.dryRun) {
        const plan = trainingPlan(experiment, { hash, out, H: plateaus });
        await io.result(command, plan, () => planText(plan));
        return;
      }
      const folder = lazyFolder(out, () => {
        io.log(experimentText(hash, experiment, options.verbose || options.json));
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
            parent,
            init,
            measures,
            host: io.platform.host(),
            signal: abort.signal,
            checkpointMs: options.checkpointSeconds * 1000,
            onStart: ({ executor, memoryBytes, step, unchecked }) => {
              if (dataFiles) noted = folder.write(DATA_FILE, `${JSON.stringify(dataFiles, null, 2)}\n`);
              if (unchecked.length)
                io.log(`${out}: ${unchecked.join(' and ')} unchecked: written by a version without digests`);
              io.log(
                `${step ? `continuing${parent ? ` ${parent.hash}` : ''} from step ${step}` : 'running'} on ${executor}, ${(memoryBytes / 2 ** 20).toFixed(1)} MiB there; records and weights into ${out}`,
              );
            },
            onRecord(record) {
              if (options.json) void io.write(`${printableJson(record)}\n`);
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
          if (options.json) await io.write(`${printableJson({ type: 'result', ...summary })}\n`);
          else await io.result(command, summary, () => resultText(summary));
          if (plateaus.length) {
            const run = readRecords(readRunFolder(out));
            const beyond = beyondLanguage(run, overviewOf(run));
            if (beyond) io.log(beyond);
          }
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

/** The experiment in one line: the settings other than the defaults; or the whole of it. */
function experimentText(hash: string, experiment: Experiment, whole = false): string {
  if (whole) return `experiment ${hash}\n${JSON.stringify(experiment, null, 2)}`;
  const settings = Object.entries(settingsOf(experiment)).map(([name, value]) => `${name}=${settingText(value)}`);
  return `experiment ${hash}: ${[experiment.model.kind, ...settings].join(' ')}${settings.length ? '' : ', all settings at their defaults'}`;
}

/** With only --resume and --out, the experiment of the folder. */
function resumedFile({ resume, out, set, from }: Options): string | undefined {
  const file = out && join(out, files.experiment);
  return resume && file && !set?.length && from === undefined && existsSync(file) ? file : undefined;
}

/** The run of --from. @throws InputError if there is none; DamageError if its files are not as they were written. */
async function readParent({ from, init }: Options, log: (line: string) => void): Promise<Parent> {
  if (init !== undefined) throw new InputError('--init: --from takes the weights of its run; pass one of the two');
  const [{ path }] = await findRuns([from!], ['out']);
  const { experiment, checkpoint } = await readRun(path, log);
  return { name: path, hash: await contentHash(experiment), experiment, checkpoint };
}

/** The same, with the rows of tokens whose files it names. out: the run's folder, which records them. @throws InputError */
export async function readExperimentAndData(
  file: string | undefined,
  pairs: readonly string[],
  out?: string,
  base?: Experiment,
): Promise<{ experiment: Experiment; files?: DataFiles }> {
  const raw = rawExperiment(file, pairs, base);
  const { experiment, files } = await readOwnData(raw, [...(out ? [out] : []), ...placeOf(file)]);
  return { experiment: parseExperiment(experiment), files };
}

/** base: used if there is no file. @throws InputError naming the file or the field. */
export const readExperiment = (file: string | undefined, pairs: readonly string[], base?: Experiment): Experiment =>
  parseExperiment(rawExperiment(file, pairs, base));

function rawExperiment(file: string | undefined, pairs: readonly string[], base?: Experiment): Record<string, unknown> {
  let raw: Record<string, unknown> = base ? withoutFrom(base) : {};
  if (file !== undefined) {
    const value = readDocument(file, 'file');
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new InputError(`${file}: holds no object; pass one such as {"model": "hcnn"}`);
    raw = value as Record<string, unknown>;
  } else if (!pairs.length && !base)
    throw new InputError('experiment: pass a file, or fields with --set, for example --set model=hcnn grammar.m=4');
  const changed = applySettings(raw, pairs);
  // A different kind drops the fields of the previous one, so that an error is about the kind.
  for (const section of ['model', 'optimiser'] as const) {
    const { kind } = Object(changed[section]) as { kind?: unknown };
    if (base && kind !== undefined && kind !== base[section].kind) changed[section] = { kind };
  }
  return changed;
}

const withoutFrom = ({ from: _, ...rest }: Experiment): Record<string, unknown> => structuredClone(rest);

function readWeights(file: string): SafeFile {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(file));
  } catch (error) {
    throw new InputError(`--init ${file}: ${whyUnread(error)}; pass a readable file`);
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
  const now = Number.isFinite(loss) ? loss.toFixed(4) : '-'; // a run that continues another one has not been evaluated yet
  return `step ${step}/${steps}  loss ${now}${plateau}  ${rate} samples/s  ${timeText(secondsLeft)} left`;
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
