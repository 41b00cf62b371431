/** The options that say what computes, as every command that trains or measures takes them. */
import type { Command } from 'commander';
import { type ExecutorName, executorNames } from '../platform/executor.js';
import { integer } from './context.js';

export interface ComputeOptions {
  executor?: ExecutorName;
  adapter?: string;
  threads?: number;
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
    .option('--threads <n>', threads, integer(1, 256));
}
