/** Which executor runs a program here: WebGPU on a real GPU if there is one, otherwise WebAssembly on the CPU. */

import { AdapterError, InputError } from '../core/errors.js';
import { checkSimd, type Simd } from '../core/simd.js';
import type { GpuSession } from '../gpu/device.js';
import { gpuExecutor, wasmExecutor } from '../kernels/index.js';
import { loadModels } from '../models/define.js';
import type { Executor } from '../plan/executor.js';
import { canShare } from '../wasm/executor.js';
import type { Platform } from './platform.js';

export const executorNames = ['webgpu', 'wasm'] as const;
export type ExecutorName = (typeof executorNames)[number];

export interface ExecutorChoice {
  executor?: ExecutorName; // default: webgpu if an adapter is named or there is a real GPU, else wasm
  adapter?: string; // for webgpu
  threads?: number; // for wasm; default: one per core, at most 8
  mostThreads?: number; // for wasm: upper bound on that default, if several executors share the cores
  simd?: Simd; // for wasm; default: the one a run began with; for a new run relaxed if the engine fuses its multiply-add
  emulateF16?: boolean; // half-precision factors without matrix units, slowly; default: such a run is refused
  models?: readonly string[]; // modules of model definitions that are loaded first, as URLs
}

export interface OpenExecutor {
  executor: Executor;
  release(): Promise<void>;
}

/**
 * @throws InputError for an unknown name, or a number of threads or an arithmetic that is not available; AdapterError if webgpu is
 * requested and there is no adapter.
 */
export async function openExecutor(
  platform: Platform,
  choice: ExecutorChoice,
  report?: (line: string) => void,
): Promise<OpenExecutor> {
  const { executor, adapter, threads, mostThreads = 8, simd, models = [], emulateF16: emulateHalf } = choice;
  await loadModels(models);
  if (executor !== undefined && !(executorNames as readonly string[]).includes(executor))
    throw new InputError(`executor: got ${executor}; pass ${executorNames.join(' or ')}`);
  if (executor === 'wasm' && adapter !== undefined)
    throw new InputError(`adapter: got ${adapter} for the wasm executor, which uses none; leave one of the two out`);
  checkSimd(simd);
  if (simd !== undefined && (executor === 'webgpu' || adapter !== undefined))
    throw new InputError(`simd: got ${simd} for the webgpu executor, which has none; leave it out, or use wasm`);
  if (executor === 'webgpu' || (executor === undefined && threads === undefined && simd === undefined)) {
    const session =
      executor === 'webgpu' || adapter !== undefined || platform.wantedAdapter()
        ? await platform.openGpu({ adapter, report })
        : await realGpu(platform, report);
    if (session)
      return {
        executor: gpuExecutor(session, platform.tuned?.(session.info, report), undefined, undefined, emulateHalf),
        release: () => session.release(),
      };
    report?.('no GPU was found: computing on the CPU in WebAssembly');
  }
  const { spawnThread } = platform;
  const most = spawnThread && canShare() ? Math.min(8, mostThreads, platform.cores) : 1;
  const cpu = wasmExecutor({ threads: threads ?? most, spawn: spawnThread, simd, emulateHalf });
  return { executor: cpu, release: () => cpu.destroy() };
}

/** A session on a real GPU; undefined if there are only software drivers or none. */
async function realGpu(platform: Platform, report?: (line: string) => void): Promise<GpuSession | undefined> {
  try {
    const session = await platform.openGpu({ adapter: 'gpu', report });
    if (!session.info.software) return session;
    await session.release();
  } catch (error) {
    if (!(error instanceof AdapterError)) throw error;
  }
  return undefined;
}
