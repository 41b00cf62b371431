/**
 * `rhm bench growth`: how the time of a training step grows with width, batch, replicas and threads, each varied alone from a small
 * network; with --against, the same steps also on another executor, alternating round by round.
 */

import type { Command } from 'commander';
import { parseExperiment } from '../../core/experiment.js';
import type { Executor } from '../../plan/executor.js';
import { type OpenExecutor, openExecutor } from '../../platform/executor.js';
import { membersOf } from '../../training/members.js';
import { Trainer } from '../../training/trainer.js';
import { canShare } from '../../wasm/executor.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, integer } from '../context.js';

interface Case {
  model: 'hcnn' | 'mla';
  width: number; // w or C
  batch: number;
  replicas: number;
  threads: number; // 1 if the executor has no threads
}

export interface GrowthTime extends Case {
  us_per_step: number; // median of the rounds
  samples_per_s: number;
  /** Time of the other executor over this one's, median of the rounds. */
  against?: number;
}

interface Options extends ComputeOptions {
  filter?: string;
  rounds: number;
  against?: string;
}

const ROUND_MS = 100;
const widths = { hcnn: [64, 128, 256, 512], mla: [32, 64, 128, 256] };
const heads: Record<number, number> = { 32: 4, 64: 8, 128: 8, 256: 16 };

export function addBenchGrowth(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('growth')
      .description('how the time of a training step (v=8, L=3) grows with width, batch, replicas and threads')
      .option(
        '--against <adapter>',
        'compare with another adapter (gpu, lavapipe, swiftshader or a name), or with WebAssembly on plain SIMD (plain)',
      )
      .option('--filter <text>', 'only cases whose name contains this text, for example "mla C=256"')
      .option('--rounds <n>', 'rounds of 0.1 s per case', integer(1, 1000), 5),
    'the most threads of wasm (default: one per core, at most 8)',
  ).action(async (options: Options, command: Command) => {
    const open: OpenExecutor[] = [];
    const use = async (choice: Parameters<typeof openExecutor>[1]) => {
      const opened = await openExecutor(io.platform, choice, io.log);
      open.push(opened);
      return opened.executor;
    };
    try {
      const first = await use(options);
      const most = first.kind !== 'wasm' ? 1 : (options.threads ?? (canShare() ? Math.min(8, io.platform.cores) : 1));
      const mine = new Map<number, Executor>([[most, first]]);
      const plain = new Map<number, Executor>();
      const { against: adapter, simd } = options;
      const gpu = adapter !== undefined && adapter !== 'plain' ? await use({ executor: 'webgpu', adapter }) : undefined;
      const results: GrowthTime[] = [];
      for (const item of casesOf(most)) {
        if (options.filter && !title(item).includes(options.filter)) continue;
        io.progress(title(item));
        const { threads } = item;
        if (!mine.has(threads)) mine.set(threads, await use({ executor: 'wasm', threads, simd }));
        if (adapter === 'plain' && !plain.has(threads))
          plain.set(threads, await use({ executor: 'wasm', threads, simd: 'plain' }));
        results.push(await timeCase(item, mine.get(threads)!, gpu ?? plain.get(threads), options.rounds));
      }
      const other = adapter === 'plain' ? 'WebAssembly on plain SIMD' : gpu?.description;
      const report = { executor: first.description, against: other, results };
      await io.result(command, report, () => table(report));
    } finally {
      for (const { release } of open) await release();
    }
  });
}

/** Each size varied alone, from a narrow and from a wide network. */
function casesOf(most: number): Case[] {
  const threads = Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, i) => 2 ** i);
  if (!threads.includes(most)) threads.push(most);
  return (['hcnn', 'mla'] as const).flatMap((model) => {
    const narrow: Case = { model, width: widths[model][0], batch: 32, replicas: 1, threads: 1 };
    const wide = { ...narrow, width: widths[model][3] };
    return [
      ...widths[model].map((width) => ({ ...narrow, width })),
      ...[8, 128, 512].map((batch) => ({ ...narrow, batch })),
      ...[4, 16].map((replicas) => ({ ...narrow, replicas })),
      ...threads.slice(1).flatMap((count) => [
        { ...narrow, threads: count },
        { ...wide, threads: count },
      ]),
    ];
  });
}

async function timeCase(item: Case, executor: Executor, against: Executor | undefined, rounds: number) {
  const { model, width, batch, replicas } = item;
  const experiment = parseExperiment({
    grammar: { v: 8, m: 2, L: 3 },
    model: model === 'hcnn' ? { kind: model, width } : { kind: model, channels: width, heads: heads[width] },
    budget: { batch },
    replicas,
  });
  const trainers: Trainer[] = [];
  try {
    for (const one of against ? [executor, against] : [executor])
      trainers.push(await Trainer.create(membersOf(experiment), one));
    const steps: number[] = [];
    for (const trainer of trainers) steps.push(await stepsFor(trainer));
    const times: number[][] = [];
    for (let round = 0; round < rounds; round++) {
      times.push([]);
      for (const [i, trainer] of trainers.entries()) times[round].push(await timeRound(trainer, steps[i]));
    }
    const us = median(times.map((t) => t[0]));
    const result: GrowthTime = {
      ...item,
      us_per_step: Math.round(us * 10) / 10,
      samples_per_s: Math.round((batch * replicas * 1e6) / us),
    };
    if (against) result.against = Math.round(100 * median(times.map((t) => t[1] / t[0]))) / 100;
    return result;
  } finally {
    for (const trainer of trainers) trainer.destroy();
  }
}

/** Steps that take about one round; the first ones compile the program. */
async function stepsFor(trainer: Trainer): Promise<number> {
  await timeRound(trainer, 2);
  for (let steps = 2; ; steps *= 4) {
    const ms = ((await timeRound(trainer, steps)) * steps) / 1000;
    if (ms > ROUND_MS / 4) return Math.max(1, Math.round((steps * ROUND_MS) / ms));
  }
}

/** Microseconds a step. */
async function timeRound(trainer: Trainer, steps: number): Promise<number> {
  const start = performance.now();
  await trainer.advance(steps);
  await trainer.finish();
  return ((performance.now() - start) * 1000) / steps;
}

function table({ executor, against, results }: { executor: string; against?: string; results: GrowthTime[] }): string {
  const base = (r: GrowthTime) => results.find((x) => x.model === r.model)!.us_per_step; // the first of its model
  return [
    `${executor}; v=8, L=3, sampling included${against ? `; against ${against}` : ''}`,
    ...results.map(
      (r) =>
        `${title(r).padEnd(52)} ${r.us_per_step.toFixed(0).padStart(8)} us  ${(r.us_per_step / base(r)).toFixed(2).padStart(7)} x  ` +
        `${String(r.samples_per_s).padStart(8)} samples/s${r.against === undefined ? '' : `  ${r.against.toFixed(2).padStart(6)} times as fast`}`,
    ),
  ].join('\n');
}

function title({ model, width, batch, replicas, threads }: Case): string {
  return `${model} ${model === 'hcnn' ? 'w' : 'C'}=${width}, batch ${batch}, ${replicas} replica${replicas > 1 ? 's' : ''}, ${threads} thread${threads > 1 ? 's' : ''}`;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
