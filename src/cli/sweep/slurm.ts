/** `rhm sweep slurm`: a job array whose tasks take disjoint parts of the grid. Needs no daemon and no queue, only a shared folder. */
import { mkdirSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { counted } from '../../core/counted.js';
import { InputError } from '../../core/errors.js';
import type { CommandContext } from '../context.js';
import { writeOutput } from '../output.js';
import { readGrid, refuseSearch, storeOf } from './options.js';

export interface SlurmOptions {
  out?: string;
  file?: string;
  tasks?: number;
  atOnce?: number;
  time: string;
  partition?: string;
  gpus?: number;
  cpus: number;
  mem?: string;
  sbatch?: string[];
  run?: string[];
  json?: boolean;
}

const MOST_TASKS = 1000; // Slurm's usual MaxArraySize is 1001

export async function sweepSlurm(
  io: CommandContext,
  spec: string,
  options: SlurmOptions,
  command: Command,
): Promise<void> {
  if (spec === '-')
    throw new InputError('spec: the tasks read the grid file themselves; pass a file, not standard input');
  const grid = await readGrid(spec);
  refuseSearch(grid, 'rhm sweep slurm');
  const tasks = Math.min(options.tasks ?? Math.min(MOST_TASKS, grid.runs.length), grid.runs.length);
  const out = resolve(storeOf(grid, options.out));
  const file = options.file ?? `${grid.title}.sbatch`;
  if (out.includes('\\'))
    throw new InputError(
      `--out ${out}: holds a backslash, after which Slurm replaces no name in a path; choose another folder`,
    );
  if (tasks > MOST_TASKS)
    io.log(
      `${tasks} tasks: Slurm takes ${MOST_TASKS} in an array unless the site has raised MaxArraySize (scontrol show config says it); pass --tasks ${MOST_TASKS} or fewer`,
    );
  const runtime = io.platform.name === 'deno' ? [process.execPath, 'run', '-A'] : [process.execPath];
  const text = script(spec, grid.title, out, tasks, options, runtime);
  if (file !== '-') mkdirSync(`${out}/slurm`, { recursive: true }); // Slurm does not create the folder of its logs
  await writeOutput(io, file, (write) => write(text));
  if (file === '-') return;
  await io.result(
    command,
    { file, tasks, runs: grid.runs.length, out },
    () =>
      `${file}: ${counted(tasks, 'task')} for ${counted(grid.runs.length, 'run')} into ${out}; submit it with sbatch ${file}, look with rhm sweep status ${out}`,
  );
}

function script(
  spec: string,
  title: string,
  out: string,
  tasks: number,
  o: SlurmOptions,
  runtime: readonly string[],
): string {
  const array = `0-${tasks - 1}${o.atOnce ? `%${o.atOnce}` : ''}`;
  const lines = [
    `--job-name=rhm-${title}`,
    `--array=${array}`,
    `--output=${optionValue(`${out.replaceAll('%', '%%')}/slurm/%A_%a.log`)}`,
    '--open-mode=append',
    `--time=${o.time}`,
    `--cpus-per-task=${o.cpus}`,
    '--requeue',
    '--signal=B:TERM@60', // a minute before the end the runs save, and the next submission continues them
    ...(o.partition ? [`--partition=${o.partition}`] : []),
    ...(o.gpus ? [`--gpus=${o.gpus}`] : []),
    ...(o.mem ? [`--mem=${o.mem}`] : []),
    ...(o.sbatch ?? []),
  ];
  const program = [...runtime, realpathSync(process.argv[1])].map(quote).join(' ');
  const more = (o.run ?? []).map(quote).join(' ');
  return `#!/bin/bash
# Written by rhm sweep slurm: task i of ${tasks} trains part i of the grid. Submit it again to continue what did not end.
${lines.map((line) => `#SBATCH ${line}`).join('\n')}
set -eu
exec ${program} sweep run ${quote(resolve(spec))} \\
  --out ${quote(out)} --shard "$SLURM_ARRAY_TASK_ID/${tasks}" --json ${more}
`.replace(/ +\n$/, '\n');
}

/** Slurm takes quotes and backslashes in the lines of options; % begins one of its own names, %% is the character. */
const optionValue = (text: string): string => (/[\s'"\\#]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text);

const quote = (text: string): string => (/^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
