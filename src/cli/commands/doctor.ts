/** `rhm doctor`: which GPU this machine has, and whether it computes correctly. */
import type { Command } from 'commander';
import { AdapterError } from '../../core/errors.js';
import { cardRows, reportCards } from '../../platform/cards/report.js';
import { doctorText, examine, rowsText } from '../../platform/doctor.js';
import { cpuText, examineCpu } from '../../platform/doctorCpu.js';
import type { CommandContext } from '../context.js';
import { scriptBeside } from '../sweep/workers.js';

interface Options {
  adapter?: string;
  cards?: boolean;
}

export function addDoctor(program: Command, io: CommandContext): void {
  program
    .command('doctor')
    .description(
      'check this machine: runtime, adapter, features, limits and speed of the GPU, every kernel against its float64 reference, all GPUs and how one is selected; without a GPU the same of WebAssembly',
    )
    .option('--adapter <name>', 'gpu, lavapipe, swiftshader or an adapter name (default: RHM_ADAPTER, else the best)')
    .option('--cards', 'only list the GPUs, which of them can be selected, and how')
    .action(async (options: Options, command: Command) => {
      const reportOn = () => reportCards(scriptBeside('cli.js'), io.progress);
      if (options.cards) {
        const choice = await reportOn();
        await io.result(command, choice, () => rowsText(cardRows(choice)) || 'no cards were found');
        return;
      }
      const session = await io.platform.openGpu({ adapter: options.adapter, report: io.log }).catch((error) => {
        const isNamed = options.adapter !== undefined || io.platform.wantedAdapter() !== undefined;
        if (error instanceof AdapterError && !isNamed) return error;
        throw error;
      });
      if (session instanceof AdapterError) {
        const found = await examineCpu(io.platform, session.message, io.progress);
        const choice = await reportOn();
        await io.result(command, { ...found, choice }, () => cpuText(found, cardRows(choice)));
        if (!found.ok) process.exitCode = 1;
        return;
      }
      try {
        const found = await examine(session, io.progress);
        const choice = await reportOn();
        await io.result(command, { ...found, choice }, () => doctorText(found, cardRows(choice)));
        if (!found.ok) process.exitCode = 1;
      } finally {
        await session.release();
      }
    });
}
