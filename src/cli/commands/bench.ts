/** `rhm bench`: speed on this machine. Each benchmark prints the hardware that it ran on. */
import type { Command } from 'commander';
import { benches } from '../bench/index.js';
import type { CommandContext } from '../context.js';

export function addBench(program: Command, io: CommandContext): void {
  const bench = program
    .command('bench')
    .description('speed of kernels, training steps and the sampler on this machine');
  for (const add of benches) add(bench, io);
  for (const command of bench.commands) command.option('--json', 'machine-readable output on standard output');
}
