/** Duration of GPU work: by timestamp queries if the adapter has them, otherwise by the host's clock. */
import type { GpuSession } from './device.js';
import { bufferUsage } from './flags.js';
import { readBuffer } from './scope.js';

export interface GpuTime {
  elapsedMs: number; // median over the repeats, of one call of `encode`
  wallMs: number; // the same by the host's clock, including submit and wait
  source: 'timestamp-query' | 'host clock';
}

/**
 * Times one compute pass filled by `encode`: one call to warm up, then the median of `repeats`.
 * @throws GpuError or DeviceLostError if the work fails.
 */
export async function timePass(
  session: GpuSession,
  encode: (pass: GPUComputePassEncoder) => void,
  repeats = 5,
): Promise<GpuTime> {
  const { device } = session;
  const stamped = session.features.has('timestamp-query');
  const queries = stamped ? device.createQuerySet({ type: 'timestamp', count: 2 }) : undefined;
  const resolved = stamped
    ? device.createBuffer({ size: 16, usage: bufferUsage.queryResolve | bufferUsage.copySrc })
    : undefined;
  const stamps: number[] = [];
  const walls: number[] = [];
  try {
    for (let i = 0; i <= repeats; i++) {
      const started = performance.now();
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass(
        queries && {
          timestampWrites: { querySet: queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
        },
      );
      encode(pass);
      pass.end();
      if (queries && resolved) encoder.resolveQuerySet(queries, 0, 2, resolved, 0);
      device.queue.submit([encoder.finish()]);
      await session.drain();
      const wallMs = performance.now() - started;
      const times = resolved && new BigUint64Array(await readBuffer(session, resolved));
      if (i === 0) continue; // pipelines warm up, caches fill
      walls.push(wallMs);
      if (times && times[1] > times[0]) stamps.push(Number(times[1] - times[0]) / 1e6);
    }
  } finally {
    queries?.destroy();
    resolved?.destroy();
  }
  // Some drivers quantise timestamps so coarsely, or return zeros, that the clock is more accurate.
  const useStamps = stamps.length === repeats;
  return {
    elapsedMs: median(useStamps ? stamps : walls),
    wallMs: median(walls),
    source: useStamps ? 'timestamp-query' : 'host clock',
  };
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
