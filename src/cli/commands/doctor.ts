/** `rhm doctor`: what this machine's GPU is and whether it computes right. */
import type { Command } from 'commander';
import { describeAdapter } from '../../gpu/device.js';
import { type DoctorReport, examine } from '../../platform/doctor.js';
import type { CommandContext } from '../context.js';

export function addDoctor(program: Command, io: CommandContext): void {
  program
    .command('doctor')
    .description('runtime, adapter, features, limits and speed of the GPU; fails when it computes wrongly')
    .option('--adapter <name>', 'gpu, lavapipe, swiftshader or an adapter name (default: RHM_ADAPTER, else the best)')
    .action(async (options: { adapter?: string }, command: Command) => {
      const session = await io.platform.openGpu({ adapter: options.adapter, report: io.log });
      try {
        const found = await examine(session, io.progress);
        await io.result(command, found, () => asText(found));
        if (!found.ok) process.exitCode = 1;
      } finally {
        await session.release();
      }
    });
}

function asText(found: DoctorReport): string {
  const bytes = (n: number) => (n >= 2 ** 20 ? `${Math.round(n / 2 ** 20)} MiB` : `${Math.round(n / 1024)} KiB`);
  const { limits } = found;
  const rows: [string, string][] = [
    ['adapter', describeAdapter(found.adapter)],
    ['backend', found.adapter.backend],
    ['features', found.features.join(', ')],
    ['largest buffer', `${bytes(limits.maxBufferSize)}, ${bytes(limits.maxStorageBufferBindingSize)} in one binding`],
    [
      'workgroup',
      `${limits.maxComputeInvocationsPerWorkgroup} invocations, ${bytes(limits.maxComputeWorkgroupStorageSize)} memory, ${limits.maxStorageBuffersPerShaderStage} storage buffers`,
    ],
    [
      'dispatch',
      `${found.dispatch.microseconds.toFixed(1)} us each in one pass (${found.dispatch.source}), ${found.dispatch.submitMicroseconds.toFixed(0)} us submitted and awaited alone`,
    ],
    ['verdict', found.ok ? 'everything computed right' : 'WRONG results, see above'],
  ];
  return rows.map(([name, value]) => `${name.padEnd(16)}${value}`).join('\n');
}
