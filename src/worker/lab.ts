/** The laboratory's functions in one object: the same on the main thread and, through comlink, in a worker. */
import type { GrammarOptions, GrammarShape } from '../core/rules.js';
import type { AdapterSummary, GpuSession } from '../gpu/device.js';
import { type DoctorReport, examine } from '../platform/doctor.js';
import type { Platform } from '../platform/platform.js';
import { releaseCallback } from '../platform/worker.js';
import { examineInstance, type InstanceTheory } from '../theory/instances.js';

/** Told what is being done, in one line. */
export type Report = (line: string) => void;

export interface LabOptions {
  /** `gpu`, `lavapipe`, `swiftshader` or an adapter's name; default: the best there is. */
  adapter?: string;
}

/** Each function may be called while others run; all take and return plain data. */
export interface Lab {
  /** The adapter that would be used. @throws AdapterError */
  adapter(options?: LabOptions): Promise<AdapterSummary>;
  /** Checks every kernel and measures speeds. @throws AdapterError, GpuError, DeviceLostError */
  doctor(options?: LabOptions, report?: Report): Promise<DoctorReport>;
  /** Exact losses and covariances of the random grammar of a seed. @throws InputError */
  theory(shape: GrammarShape, seed: number, options?: GrammarOptions): Promise<InstanceTheory>;
}

/** @returns the functions, and `close`, which ends what they hold: calls still running fail with DeviceLostError. */
export function createLab(platform: Platform): { lab: Lab; close: () => Promise<void> } {
  const open = new Set<GpuSession>();
  let closed = false;
  async function withGpu<T>(
    options: LabOptions,
    report: Report | undefined,
    work: (session: GpuSession) => Promise<T>,
  ): Promise<T> {
    let session: GpuSession | undefined;
    try {
      session = await platform.openGpu({ adapter: options.adapter, report });
      open.add(session);
      if (closed) session.release();
      return await work(session);
    } finally {
      await session?.release();
      if (session) open.delete(session);
      releaseCallback(report);
    }
  }
  return {
    lab: {
      adapter: (options = {}) => withGpu(options, undefined, async (session) => session.info),
      doctor: (options = {}, report) => withGpu(options, report, (session) => examine(session, report)),
      theory: async (shape, seed, options) => examineInstance(shape, seed, options),
    },
    async close() {
      closed = true;
      await Promise.all([...open].map((session) => session.release()));
    },
  };
}
