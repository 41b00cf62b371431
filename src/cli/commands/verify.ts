/** `rhm verify FILE...`: replays golden cases of the PyTorch reference through the float64 reference and through the kernels. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { InputError } from '../../core/errors.js';
import type { Precision } from '../../core/precision.js';
import { referenceExecutor } from '../../kernels/index.js';
import { openExecutor } from '../../platform/executor.js';
import { type VerifiedCase, verifyGolden } from '../../training/verify.js';
import { addComputeOptions, type ComputeOptions, precisionOption, requireHalf } from '../compute.js';
import type { CommandContext } from '../context.js';
import { whyUnread } from '../readInput.js';

interface Options extends ComputeOptions {
  precision: Precision;
}

export function addVerify(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('verify')
      .description("replay golden cases made with the authors' PyTorch code; exit status 1 if one is out of bounds")
      .argument('<files...>', 'safetensors files with a `case` in their metadata')
      .addOption(precisionOption('what products compute with; the bounds of f16 are those of rounded factors')),
  ).action(async (names: string[], options: Options, command: Command) => {
    const inputs = names.map((file) => ({ file, bytes: readCase(file) }));
    const { executor, release } = await openExecutor(io.platform, options, io.log);
    try {
      if (options.precision === 'f16') requireHalf(executor);
      const cases: VerifiedCase[] = [];
      for (const { file, bytes } of inputs)
        for (const [target, replicas] of [
          [referenceExecutor(), 1],
          [executor, 1],
          [executor, 3],
        ] as const) {
          io.progress(`${file} on ${target.description}, ${replicas} side by side`);
          cases.push(await verifyGolden(bytes, file, target, replicas, options.precision));
        }
      await io.result(command, { cases }, () => cases.map(caseText).join('\n'));
      if (cases.some((c) => !c.ok)) process.exitCode = 1;
    } finally {
      await release();
    }
  });
}

function readCase(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file));
  } catch (error) {
    throw new InputError(`${file}: ${whyUnread(error)}; pass a readable safetensors file`);
  }
}

function caseText({ file, kind, executor, replicas, ok, groups }: VerifiedCase): string {
  const parts = Object.entries(groups).map(
    ([name, g]) => `${name} ${g.worst.toExponential(1)} (${g.bound.toExponential(0)})`,
  );
  return `${ok ? 'ok  ' : 'FAIL'} ${kind} on ${executor} x${replicas}: ${parts.join(', ')}  ${file}`;
}
