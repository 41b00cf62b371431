/** `rhm doctor`: what this machine's GPU is and whether it computes right. */
import type { Command } from 'commander';
import { cardRows, reportCards } from '../../platform/cards/report.js';
import { doctorText, examine } from '../../platform/doctor.js';
import type { CommandContext } from '../context.js';
import { scriptBeside } from '../sweep/workers.js';

export function addDoctor(program: Command, io: CommandContext): void {
  program
    .command('doctor')
    .description(
      'runtime, adapter, features, limits and speed of the GPU; every kernel against its float64 reference; all cards, and how one is chosen',
    )
    .option('--adapter <name>', 'gpu, lavapipe, swiftshader or an adapter name (default: RHM_ADAPTER, else the best)')
    .action(async (options: { adapter?: string }, command: Command) => {
      const session = await io.platform.openGpu({ adapter: options.adapter, report: io.log });
      try {
        const found = await examine(session, io.progress);
        const choice = await reportCards(scriptBeside('cli.js'), io.progress);
        await io.result(command, { ...found, choice }, () => doctorText(found, cardRows(choice)));
        if (!found.ok) process.exitCode = 1;
      } finally {
        await session.release();
      }
    });
}
