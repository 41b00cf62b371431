/** The options that say what computes, as every command that trains or measures takes them. */
import { type Command, Option } from 'commander';
import { type Simd, simdNames } from '../core/simd.js';
import { executorNames } from '../platform/executor.js';
import { integer } from './context.js';

export interface ComputeOptions {
  executor?: string;
  adapter?: string;
  threads?: number;
  simd?: Simd;
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
    );
}
