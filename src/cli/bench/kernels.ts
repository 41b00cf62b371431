/** `rhm bench kernels`: every operation at the shapes that occur in training, with its share of the adapter's own peak. */

import type { Command } from 'commander';
import { GpuExecutor, GpuProgram, slowest } from '../../gpu/executor.js';
import { clockOf } from '../../gpu/pipelines.js';
import { kernelOf } from '../../kernels/index.js';
import { type BenchCase, benchCases } from '../../kernels/tools/bench.js';
import { ProgramBuilder } from '../../plan/builder.js';
import type { Executor } from '../../plan/executor.js';
import { openExecutor } from '../../platform/executor.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, integer } from '../context.js';

export interface KernelTime {
  op: string;
  shape: string;
  us: number; // median of the rounds, one call
  best_us: number; // of the fastest round, which other programs disturbed least
  gflops: number;
  gbytes_per_s: number;
  share: number; // of the best arithmetic or memory rate measured in this run, whichever limits the call
  encode_us?: number; // host time to encode and submit one call
  compile_ms?: number; // of its slowest pipeline, alone, by compile_clock; 0 from the driver's cache (GPU)
  compile_shader?: string; // that pipeline's
  dispatches?: { label: string; us: number }[]; // with --profile
}

interface Options extends ComputeOptions {
  filter?: string;
  large?: boolean;
  profile?: boolean;
  rounds: number;
}

export function addBenchKernels(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('kernels')
      .description('microseconds, GFLOP/s and GB/s of every operation at training shapes')
      .option('--filter <text>', 'only operations or shapes whose name contains this text')
      .option('--large', 'include shapes that fill a large GPU')
      .option(
        '--profile',
        'also time every dispatch between timestamps of its own (which adds about 8 us each on a GPU)',
      )
      .option('--rounds <n>', 'rounds of about 20 ms per shape', integer(1, 10000), 5),
  ).action(async (options: Options, command: Command) => {
    const { executor, release } = await openExecutor(io.platform, options, io.log);
    try {
      const chosen = benchCases.filter(
        (c) =>
          (options.large || !c.large) &&
          (executor.half || !c.half) &&
          (!options.filter || `${c.op} ${c.shape}`.includes(options.filter)),
      );
      const times: KernelTime[] = [];
      for (const item of chosen) {
        io.progress(`${item.op} ${item.shape}`);
        times.push(await timeKernel(item, executor, options));
      }
      const peakFlops = Math.max(...times.map((t) => t.gflops));
      const peakBytes = Math.max(...times.map((t) => t.gbytes_per_s));
      for (const t of times) t.share = Math.max(t.gflops / peakFlops, t.gbytes_per_s / peakBytes);
      const clock = executor instanceof GpuExecutor ? clockOf(executor.gpu).name : undefined;
      await io.result(
        command,
        {
          executor: executor.description,
          compile_clock: clock,
          peak: { gflops: peakFlops, gbytes_per_s: peakBytes },
          times,
        },
        () => [executor.description + (clock ? `; compilation in ${clock} time` : ''), ...times.map(line)].join('\n'),
      );
    } finally {
      await release();
    }
  });
}

function line(t: KernelTime): string {
  return (
    `${t.op.padEnd(22)} ${t.shape.padEnd(34)} ${t.us.toFixed(1).padStart(10)} us ${t.gflops.toFixed(1).padStart(9)} GFLOP/s ` +
    `${t.gbytes_per_s.toFixed(1).padStart(8)} GB/s ${(100 * t.share).toFixed(0).padStart(4)}% ${t.best_us.toFixed(1).padStart(10)} us best ${(t.encode_us ?? 0).toFixed(1).padStart(6)} us encode` +
    (t.compile_ms === undefined ? '' : ` ${t.compile_ms.toFixed(0).padStart(6)} ms compile ${t.compile_shader}`) +
    (t.dispatches ?? []).map(({ label, us }) => `\n${us.toFixed(1).padStart(70)} us  ${label}`).join('')
  );
}

/** Repeats a plan of one call until a round takes several milliseconds, then measures several rounds. */
async function timeKernel(
  item: BenchCase,
  executor: Executor,
  { profile, rounds: count }: Pick<Options, 'profile' | 'rounds'>,
): Promise<KernelTime> {
  const builder = new ProgramBuilder(item.replicas ?? 1);
  const plan = builder.plan('bench');
  item.build(plan);
  const program = builder.build();
  const loaded = await (executor instanceof GpuExecutor
    ? executor.load(program, { oneByOne: true })
    : executor.load(program));
  try {
    for (const call of plan.calls)
      for (const [slot, tensor] of Object.entries(call.inputs)) {
        const per = tensor.shape.reduce((a, b) => a * b, 1);
        const values = tensor.dtype === 'u32' ? new Uint32Array(per) : new Float32Array(per);
        const make = item.fill?.[slot];
        for (let i = 0; i < per; i++) values[i] = make ? make(i) : ((i * 2654435761) % 2001) / 1000 - 1;
        if (tensor.role === 'persistent') loaded.write(tensor, values);
      }
    const compile = loaded instanceof GpuProgram ? slowest(await loaded.compileTimes('bench')) : undefined;
    await loaded.run('bench');
    await loaded.finish();
    let repeats = 1;
    let us = 0;
    for (;;) {
      const start = performance.now();
      await loaded.run('bench', repeats);
      await loaded.finish();
      const took = performance.now() - start;
      us = (took * 1000) / repeats;
      if (took > 20 || repeats > 4000) break;
      repeats *= 4;
    }
    const rounds: number[] = [];
    const encodes: number[] = [];
    for (let round = 0; round < count; round++) {
      const start = performance.now();
      const queued = loaded.run('bench', repeats);
      encodes.push(((performance.now() - start) * 1000) / repeats);
      await queued;
      await loaded.finish();
      rounds.push(((performance.now() - start) * 1000) / repeats);
    }
    us = rounds.sort((a, b) => a - b)[count >> 1];
    const costs = plan.calls.map((call) => kernelOf(call).cost(call));
    const flops = costs.reduce((sum, c) => sum + c.flops, 0);
    const bytes = costs.reduce((sum, c) => sum + c.bytes, 0);
    return {
      op: item.op,
      shape: item.shape,
      us,
      best_us: rounds[0],
      gflops: flops / us / 1e3,
      gbytes_per_s: bytes / us / 1e3,
      share: 0,
      ...(profile && { dispatches: await loaded.profile?.('bench') }),
      ...(compile && { compile_ms: compile.ms, compile_shader: compile.shader }),
      encode_us: loaded instanceof GpuProgram ? encodes.sort((a, b) => a - b)[count >> 1] : undefined,
    };
  } finally {
    loaded.destroy();
  }
}
