/** The laboratory's functions for sweeps: chunks of runs, all on one executor that stays open. */
import { receiveData } from '../core/ownData.js';
import { type OpenExecutor, openExecutor } from '../platform/executor.js';
import type { Platform } from '../platform/platform.js';
import type { ChunkApi } from '../platform/sweepThread.js';
import { releaseOptions } from '../platform/worker.js';
import { trainChunk } from '../sweep/chunk.js';
import { packLimits } from '../sweep/pack.js';

export function chunkApi(platform: Platform, closing: AbortSignal): { api: ChunkApi; close: () => Promise<void> } {
  let opened: OpenExecutor | undefined;
  let training: Promise<unknown> = Promise.resolve();
  return {
    api: {
      async prepareChunks(choice) {
        await opened?.release();
        opened = await openExecutor(platform, choice);
        return { executor: opened.executor.description, limits: packLimits(opened.executor) };
      },
      async takeData(data) {
        for (const set of data) await receiveData(set);
      },
      trainChunk(runs, hooks) {
        const { signal } = hooks;
        const site = {
          openFolder: platform.openFolder,
          async executor() {
            opened ??= await openExecutor(platform, {});
            return opened.executor;
          },
          host: platform.host(),
        };
        const work = trainChunk(runs, site, {
          ...hooks,
          signal: signal ? AbortSignal.any([signal, closing]) : closing,
        }).finally(() => releaseOptions(hooks));
        training = work.catch(() => {});
        return work;
      },
    },
    async close() {
      await training;
      await opened?.release();
    },
  };
}
