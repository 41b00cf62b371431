/** What `rhm doctor` reports about the CPU, where there is no adapter: training runs on it, in WebAssembly. */
import type { Simd } from '../core/simd.js';
import { kernels, wasmExecutor } from '../kernels/index.js';
import type { KernelSpec } from '../kernels/shared/types.js';
import { canShare } from '../wasm/executor.js';
import {
  type CheckedKernel,
  checkCases,
  kernelText,
  type MatmulSpeed,
  matmulRow,
  matmulSpeed,
  rowsText,
  softwareShapes,
} from './doctor.js';
import type { Platform } from './platform.js';

const MOST_THREADS = 8;

export interface CpuReport {
  runtime: string;
  adapter: null;
  noAdapter: string; // why there is none, and what to install
  cores: number; // CPU cores this program may use
  executor: string;
  simd: Simd;
  kernels: CheckedKernel[]; // in WebAssembly
  matmuls: MatmulSpeed[];
  ok: boolean; // every kernel within its bound
}

/** Examines WebAssembly: every kernel on odd shapes, the speed of three matmuls. A wrong kernel is reported with ok = false. */
export async function examineCpu(
  platform: Platform,
  noAdapter: string,
  report: (line: string) => void,
): Promise<CpuReport> {
  const { runtime, cores, spawnThread: spawn } = platform;
  const threads = spawn && canShare() ? Math.min(MOST_THREADS, cores) : 1;
  const executor = wasmExecutor({ threads, spawn });
  try {
    const checked: CheckedKernel[] = [];
    for (const spec of Object.values(kernels) as KernelSpec[]) {
      report(`checking ${spec.op} in WebAssembly against its float64 reference`);
      checked.push(await checkCases(spec, executor));
    }
    const matmuls: MatmulSpeed[] = [];
    for (const shape of softwareShapes) {
      report(`timing a matmul of ${shape.join(' x ')}`);
      matmuls.push(await matmulSpeed(executor, shape));
    }
    return {
      ...{ runtime, adapter: null, noAdapter, cores, executor: executor.description, simd: executor.simd },
      ...{ kernels: checked, matmuls, ok: checked.every(({ ok }) => ok) },
    };
  } finally {
    executor.destroy();
  }
}

/** A report as lines for people. cards: rows about the machine's cards. */
export function cpuText(found: CpuReport, cards: readonly [string, string][]): string {
  return rowsText([
    ['runtime', found.runtime],
    ['adapter', `none. ${found.noAdapter}`],
    ...cards,
    ['cores', String(found.cores)],
    ['executor', found.executor],
    ['SIMD', found.simd === 'relaxed' ? 'relaxed: fused multiply-add' : 'plain: no fused multiply-add'],
    ...found.matmuls.map(matmulRow),
    ...found.kernels.map((k): [string, string] => [`kernel ${k.op}`, kernelText(k)]),
    [
      'verdict',
      found.ok
        ? 'every kernel computes correctly in WebAssembly; training works, on the CPU'
        : 'WRONG results in WebAssembly, see above',
    ],
  ]);
}
