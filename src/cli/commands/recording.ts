/** `rhm recording`: trains the missing runs of the page's recording, and writes the file that the page plays. */
import type { Command } from 'commander';
import { makeRecording } from '../../analysis/makeRecording.js';
import { encodeRecording, type Recording } from '../../analysis/recording.js';
import { contentHash } from '../../core/canonical.js';
import { counted } from '../../core/counted.js';
import { parseRecords } from '../../core/records.js';
import { writeAtomically } from '../../platform/atomicFile.js';
import { openExecutor } from '../../platform/executor.js';
import { type RecordedRun, recordedRuns } from '../../sweep/recordedRuns.js';
import { addComputeOptions } from '../compute.js';
import { type CommandContext, integer, number } from '../context.js';
import { Study, type StudyOptions } from '../reproduceStudy.js';
import { readRun } from '../runFolder.js';
import { addGpusOption } from '../sweep/gpus.js';

interface Options extends StudyOptions {
  out: string;
  store?: string[];
  largest?: number;
  partial?: boolean;
  dryRun?: boolean;
}

type Planned = RecordedRun & { hash: string };

export function addRecording(program: Command, io: CommandContext): void {
  addGpusOption(
    addComputeOptions(
      program
        .command('recording')
        .description(
          'make the recording that the page plays: three networks on one grammar, each trained on P distinct sentences for many P; ' +
            'trains the missing runs, then writes losses, projected hidden layers and correlations',
        )
        .argument('[file]', 'file to write', 'src/web/story/recording.safetensors')
        .option('--out <dir>', 'store of runs', 'out/recording')
        .option(
          '--store <dir...>',
          'further stores, for example from other machines; runs found there are not trained again',
        )
        .option(
          '--minutes <n>',
          'stop after this many minutes with everything saved; the same command continues',
          number(0.05, 1e6),
        )
        .option('--largest <P>', 'leave out runs on more sentences than this', integer(64)),
      'train one run at a time, with this many threads for wasm (default: one run per core)',
    ),
  )
    .option('--pack <n>', 'largest number of replicas in one plan (default: chosen by speed)', integer(1, 4096))
    .option('--partial', 'write the recording even if runs are missing')
    .option('--dry-run', 'list the runs without training them')
    .action(async (file: string, options: Options, command: Command) => {
      const { largest = Infinity } = options;
      const plan: Planned[] = await Promise.all(
        recordedRuns()
          .filter(({ sentences }) => sentences <= largest)
          .map(async (run) => ({ ...run, hash: await contentHash(run.experiment) })),
      );
      if (options.dryRun) {
        const list = plan.map(({ name, hash, experiment }) => ({ name, hash, experiment }));
        await io.result(command, list, () => plan.map(({ name, hash }) => `${name}: ${hash}`).join('\n'));
        return;
      }
      const study = new Study(options.out, options.store ?? [], options, io);
      try {
        // The longest runs first, so that all cores finish at about the same time; with --partial nothing is trained.
        const longest = [...plan].sort((a, b) => b.sentences - a.sentences);
        if (!options.partial) await study.train(longest);
      } finally {
        await study.close();
      }
      const ended = plan.filter((run) => study.hasEnded(run));
      const missing = plan.length - ended.length;
      if (missing && !options.partial) {
        const { failed } = study.result;
        for (const { run, error } of failed) io.log(`${run.name}: ${error}`);
        io.log(
          `${missing} of ${plan.length} runs are missing; the same command continues, --partial writes what there is`,
        );
        process.exitCode = study.stoppedBy ?? 1;
        return;
      }
      const recording = await recordingOf(ended, study, options, io);
      const bytes = encodeRecording(recording);
      await writeAtomically(file, bytes);
      const about = { file, bytes: bytes.length, runs: ended.length, missing, made: recording.made };
      await io.result(
        command,
        { ...about, networks: recording.networks.map(({ kind, sentences }) => ({ kind, sentences })) },
        () =>
          [
            `${file}: ${counted(ended.length, 'run')}, ${bytes.length} bytes`,
            ...recording.networks.map((n) => textOf(n)),
          ].join('\n'),
      );
    });
}

async function recordingOf(
  runs: readonly Planned[],
  study: Study,
  options: Options,
  io: CommandContext,
): Promise<Recording> {
  const files = await Promise.all(
    runs.map(async (run) => {
      const { checkpoint, experiment } = await readRun(study.folderOf(run)!, io.log);
      return { name: run.name, experiment, checkpoint, records: study.records(run)! };
    }),
  );
  const on = new Set(
    files.flatMap(({ records }) =>
      parseRecords(records).records.flatMap((r) => (r.type === 'start' && r.adapter ? [r.adapter] : [])),
    ),
  );
  const { executor, release } = await openExecutor(io.platform, options, io.log);
  try {
    const made = `${new Date().toISOString().slice(0, 10)}, ${[...on].join(', ')}`;
    return await makeRecording(files, executor, made, (done, all) =>
      io.progress(`${done} of ${all} runs`, done === all),
    );
  } finally {
    await release();
  }
}

const textOf = ({ kind, sentences, loss, within, clouds }: Recording['networks'][number]): string =>
  `${kind}: ${sentences
    .map((P, k) => `${P} ${loss[k].toFixed(3)} (${clouds.map((_, c) => within[k * clouds.length + c].toFixed(2))})`)
    .join(', ')}`;
