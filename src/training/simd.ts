import type { RunRecord } from '../core/records.js';
import { isSimd, type Simd } from '../core/simd.js';
import type { Executor } from '../plan/executor.js';

/** The arithmetic with which, by its records, a run began on wasm; earlier versions had only plain SIMD. */
export function simdOf(records: readonly RunRecord[]): Simd | undefined {
  const first = records.find((r) => r.type === 'start' && r.executor === 'wasm');
  if (first?.type !== 'start') return undefined;
  return isSimd(first.simd) ? first.simd : 'plain';
}

/**
 * Groups runs by the arithmetic with which they continue, each group with an executor that has it, or the reason why there is none. New
 * runs use that of the given executor.
 */
export function bySimd<Run extends { simd?: Simd }>(
  runs: readonly Run[],
  given: Executor,
): { runs: Run[]; on?: Executor; error?: unknown }[] {
  const parts = new Map<Simd | undefined, Run[]>();
  for (const run of runs) {
    const simd = given.simd && (run.simd ?? given.simd);
    parts.set(simd, [...(parts.get(simd) ?? []), run]);
  }
  return [...parts].map(([simd, runs]) => {
    try {
      return { runs, on: (simd && given.withSimd?.(simd)) ?? given };
    } catch (error) {
      return { runs, error };
    }
  });
}
