/** The options that say what computes, as every command that trains or measures takes them. */
import { type Command, Option } from 'commander';
import { precisions } from '../core/precision.js';
import { type Simd, simdNames } from '../core/simd.js';
import type { Executor } from '../plan/executor.js';
import { type ExecutorName, executorNames } from '../platform/executor.js';
import { refuseHalf } from '../training/trainer.js';
import { integer } from './context.js';

export interface ComputeOptions {
  executor?: ExecutorName;
  adapter?: string;
  threads?: number;
  simd?: Simd;
  emulateF16?: boolean;
}

/** threads: what --threads means where it means something of its own. */
export function addComputeOptions(
  command: Command,
  threads = 'wasm on this many threads (default: one a core, at most 8)',
): Command {
  return command
    .option(
      '--executor <name>',
      `what computes: ${executorNames.join(' or ')} (default: webgpu on a real GPU, else wasm)`,
    )
    .option('--adapter <name>', 'webgpu on gpu, lavapipe, swiftshader or an adapter name')
    .option('--threads <n>', threads, integer(1, 256))
    .addOption(
      new Option(
        '--simd <kind>',
        'wasm with relaxed SIMD (fused multiply-add) or plain SIMD (default: what the run began with; of a new run relaxed where the engine has it)',
      ).choices(simdNames),
    )
    .option(
      '--emulate-f16',
      'precision f16 also where there are no tensor cores: the same numbers up to rounding, slowly',
    );
}

export function precisionOption(about: string): Option {
  return new Option('--precision <name>', about).choices(precisions).default('f32');
}

/** @throws InputError unless the executor rounds factors to f16. */
export function requireHalf(executor: Executor): void {
  if (!executor.half) throw refuseHalf(executor);
}
