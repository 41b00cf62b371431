/** Which executor runs a program here. */
import { InputError } from '../core/errors.js';
import { gpuExecutor } from '../kernels/index.js';
import type { Executor } from '../plan/executor.js';
import type { Platform } from './platform.js';

export interface ExecutorChoice {
  executor?: string; // 'webgpu'; default: the best there is
  adapter?: string;
}

export interface OpenExecutor {
  executor: Executor;
  release(): Promise<void>;
}

export const executorNames = ['webgpu'] as const;

/** @throws InputError for an unknown name; AdapterError when there is no adapter. */
export async function openExecutor(
  platform: Platform,
  choice: ExecutorChoice,
  report?: (line: string) => void,
): Promise<OpenExecutor> {
  const { executor = 'webgpu', adapter } = choice;
  if (!(executorNames as readonly string[]).includes(executor))
    throw new InputError(`executor: got ${executor}; pass ${executorNames.join(' or ')}`);
  const session = await platform.openGpu({ adapter, report });
  return { executor: gpuExecutor(session), release: () => session.release() };
}
