/** The options that choose what computes, shared by every command that trains or measures. */
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

/** threads: the meaning of --threads, for commands that give it a different one. */
export function addComputeOptions(
  command: Command,
  threads = 'number of threads for wasm (default: one per core, at most 8)',
): Command {
  return command
    .option(
      '--executor <name>',
      `executor: ${executorNames.join(' or ')} (default: webgpu if there is a hardware GPU, else wasm)`,
    )
    .option('--adapter <name>', 'adapter for webgpu: gpu, lavapipe, swiftshader, or the name of an adapter')
    .option('--threads <n>', threads, integer(1, 256))
    .addOption(
      new Option(
        '--simd <kind>',
        'WebAssembly with relaxed SIMD (fused multiply-add) or plain SIMD (default: the variant that the run was started with; for a new run relaxed, if the engine has it)',
      ).choices(simdNames),
    )
    .option(
      '--emulate-f16',
      'allow precision f16 without tensor cores, by slow emulation; same numbers up to rounding',
    );
}

export function precisionOption(about: string): Option {
  return new Option('--precision <name>', about).choices(precisions).default('f32');
}

/** @throws InputError unless the executor rounds factors to f16. */
export function requireHalf(executor: Executor): void {
  if (!executor.half) throw refuseHalf(executor);
}
