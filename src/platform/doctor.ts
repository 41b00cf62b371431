/** What `rhm doctor` reports about an adapter. Runs on every platform. */
import { GpuError } from '../core/errors.js';
import type { AdapterSummary, GpuLimits, GpuSession, MatrixUnits } from '../gpu/device.js';
import { type CompileTime, type GpuExecutor, GpuProgram, slowest } from '../gpu/executor.js';
import { clockOf } from '../gpu/pipelines.js';
import { compileShader, createBuffer, readBuffer, scoped } from '../gpu/scope.js';
import { timePass } from '../gpu/timing.js';
import { gpuExecutor, kernels, referenceExecutor } from '../kernels/index.js';
import { matmul } from '../kernels/matmul.js';
import type { KernelCase, KernelSpec } from '../kernels/shared/types.js';
import { checkCase } from '../kernels/tools/check.js';
import { ProgramBuilder } from '../plan/builder.js';
import type { Executor } from '../plan/executor.js';

export interface DoctorReport {
  adapter: AdapterSummary;
  features: string[];
  matrixUnits?: MatrixUnits; // matrix products of f16 into f32, M x K times K x N per subgroup; absent: precision f16 is refused or emulated
  limits: GpuLimits;
  kernels: KernelReport[];
  compileClock: 'processor' | 'wall'; // what compileMs counts
  matmuls: MatmulSpeed[];
  dispatch: DispatchCost;
  ok: boolean; // every kernel within its bound
}

/** A kernel against its float64 reference: the worst of its cases. */
export interface CheckedKernel {
  op: string;
  cases: number;
  ok: boolean;
  worst: number; // |difference| over its bound, at most 1 if ok; null in JSON for a kernel that could not run
  worstCase: string;
  bound: string; // bound of that case
  where: string; // the worst element, or, for a kernel that could not run, the reason
}

/** A kernel of an adapter. */
export interface KernelReport extends CheckedKernel {
  compileMs: number; // slowest compilation of one of its pipelines, by compileClock, not counting what the driver's cache contains
  compileShader: string; // shader of that pipeline
}

export interface MatmulSpeed {
  shape: [m: number, k: number, n: number];
  half?: true; // factors rounded to f16, on matrix units
  gflops: number; // 10^9 floating-point operations per second
  elapsedMs: number; // of one product
}

export interface DispatchCost {
  microseconds: number; // per dispatch, with many in one pass
  submitMicroseconds: number; // one submit of one dispatch and the wait for it
  source: string; // method of measurement
}

/**
 * Examines an adapter: every kernel on odd shapes, the speed of three matmuls, the cost of a dispatch. A wrong kernel is reported
 * with ok = false. @throws GpuError if not even the simplest shader gives the right result.
 */
export async function examine(session: GpuSession, report: (line: string) => void = () => {}): Promise<DoctorReport> {
  report('measuring the cost of a dispatch');
  const dispatch = await dispatchCost(session);
  const checked: KernelReport[] = [];
  for (const spec of Object.values(kernels) as KernelSpec[]) {
    report(`checking ${spec.op} against its float64 reference`);
    checked.push(await checkKernel(session, spec));
  }
  const matmuls: MatmulSpeed[] = [];
  for (const shape of session.info.software ? softwareShapes : hardwareShapes) {
    report(`timing a matmul of ${shape.join(' x ')}`);
    matmuls.push(await matmulSpeed(gpuExecutor(session), shape));
    if (session.matrixUnits) matmuls.push({ ...(await matmulSpeed(gpuExecutor(session), shape, true)), half: true });
  }
  return {
    adapter: session.info,
    features: [...session.features].sort(),
    matrixUnits: session.matrixUnits,
    limits: Object.fromEntries(limitNames.map((name) => [name, session.limits[name]])) as unknown as GpuLimits,
    kernels: checked,
    compileClock: clockOf(session).name,
    matmuls,
    dispatch,
    ok: checked.every((k) => k.ok),
  };
}

/** m x k times k x n: square, a layer of the paper's convolutional network at two batches. */
const hardwareShapes: [number, number, number][] = [
  [2048, 2048, 2048],
  [512, 1024, 512],
  [8192, 1024, 512],
];
export const softwareShapes: [number, number, number][] = [
  [256, 256, 256],
  [128, 1024, 512],
  [512, 128, 64],
];

const limitNames = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxUniformBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxUniformBuffersPerShaderStage',
  'maxBindGroups',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
  'minStorageBufferOffsetAlignment',
  'minUniformBufferOffsetAlignment',
] as const satisfies readonly (keyof GpuLimits)[];

async function checkKernel(session: GpuSession, spec: KernelSpec): Promise<KernelReport> {
  const executor = gpuExecutor(session);
  const slow = { compileMs: 0, compileShader: '' };
  const found = await checkCases(spec, executor, {
    async before(item) {
      const { shader, ms } = await compileTime(executor, item);
      if (ms > slow.compileMs) Object.assign(slow, { compileMs: ms, compileShader: shader });
    },
    failed: () => session.check(), // a lost device is not the fault of a kernel: it ends the examination
  });
  return { ...found, ...slow };
}

/** Every case of a kernel on an executor. before: called with each case; failed: called where one throws, before that is noted. */
export async function checkCases(
  spec: KernelSpec,
  executor: Executor,
  { before, failed }: { before?: (item: KernelCase) => Promise<void>; failed?: () => void } = {},
): Promise<CheckedKernel> {
  const found: CheckedKernel = { op: spec.op, cases: 0, ok: true, worst: 0, worstCase: '', bound: '', where: '' };
  for (const item of spec.cases) {
    found.cases++;
    try {
      await before?.(item);
      const result = await checkCase(item, executor, referenceExecutor());
      if (!(result.worst <= found.worst) || !found.worstCase)
        Object.assign(found, { worst: result.worst, worstCase: item.name, bound: result.bound, where: result.where });
      found.ok &&= result.ok;
    } catch (error) {
      failed?.();
      const where = error instanceof Error ? error.message : String(error);
      Object.assign(found, { ok: false, worst: Number.POSITIVE_INFINITY, worstCase: item.name, where });
    }
  }
  return found;
}

async function compileTime(executor: GpuExecutor, item: KernelCase): Promise<CompileTime> {
  const builder = new ProgramBuilder(item.replicas);
  item.build(builder.plan('case'));
  const loaded = await executor.load(builder.build(), { oneByOne: true });
  try {
    if (!(loaded instanceof GpuProgram)) throw new GpuError(`${item.name}: larger than a binding of this adapter`);
    return slowest(await loaded.compileTimes('case'));
  } finally {
    loaded.destroy();
  }
}

/** The speed of a matmul of m x k times k x n. */
export async function matmulSpeed(
  executor: Executor,
  shape: [number, number, number],
  half = false,
): Promise<MatmulSpeed> {
  const [m, k, n] = shape;
  const builder = new ProgramBuilder(1);
  const a = builder.persistent('a', [m, k]);
  const b = builder.persistent('b', [k, n]);
  const c = builder.persistent('c', [m, n]);
  const views = { a: { tensor: a }, b: { tensor: b }, c: { tensor: c } };
  matmul(builder.plan('multiply'), { label: 'doctor', m, k, n, half, ...views });
  const loaded = await executor.load(builder.build());
  try {
    const time = async (times: number) => {
      const started = performance.now();
      await loaded.run('multiply', times);
      await loaded.finish();
      return (performance.now() - started) / times;
    };
    await time(1); // caches fill
    const once = await time(1);
    // Long enough for the host's clock: a tenth of a second at the speed that a single run suggests.
    const elapsedMs = once > 50 ? once : await time(Math.min(1000, Math.ceil(100 / once)));
    return { shape, gflops: (2 * m * k * n) / elapsedMs / 1e6, elapsedMs };
  } finally {
    loaded.destroy();
  }
}

function halfLine(units: MatrixUnits | undefined): string {
  return units
    ? `${units.m} x ${units.k} times ${units.k} x ${units.n} a subgroup, f16 into f32: precision f16 runs on them`
    : 'no matrix units: precision f16 is refused, or emulated with --emulate-f16';
}

/** A chain of dispatches that each square-and-add modulo 2^32; the last value is checked against one computed on the host. */
async function dispatchCost(session: GpuSession): Promise<DispatchCost> {
  const steps = 200;
  const module = await compileShader(
    session,
    'dispatch-cost',
    `@group(0) @binding(0) var<storage, read_write> state: array<u32>;
     @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
       state[id.x] = state[id.x] * 1664525u + 1013904223u + id.x;
     }`,
  );
  const pipeline = await scoped(session, 'dispatch-cost', () =>
    session.device.createComputePipelineAsync({ layout: 'auto', compute: { module } }),
  );
  const state = await createBuffer(session, 'dispatch-cost', 256, 0x80 | 0x4);
  const group = session.device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: state } }],
  });
  const repeats = 5;
  const encode = (count: number) => (pass: GPUComputePassEncoder) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < count; i++) pass.dispatchWorkgroups(1);
  };
  const many = await timePass(session, encode(steps), repeats);
  const one = await timePass(session, encode(1), repeats);
  const found = new Uint32Array(await readBuffer(session, state));
  state.destroy();
  const total = (repeats + 1) * (steps + 1);
  for (let lane = 0; lane < 64; lane++) {
    let wanted = 0;
    for (let i = 0; i < total; i++) wanted = (Math.imul(wanted, 1664525) + 1013904223 + lane) >>> 0;
    if (found[lane] !== wanted)
      throw new GpuError(
        `${session.info.name}: after ${total} dispatches lane ${lane} holds ${found[lane]} instead of ${wanted}; this driver cannot be trusted, choose another with RHM_ADAPTER`,
      );
  }
  return {
    microseconds: (many.elapsedMs * 1000) / steps,
    submitMicroseconds: one.wallMs * 1000,
    source: many.source,
  };
}

/** A report as lines for people. cards: rows about the machine's cards. */
export function doctorText(found: DoctorReport, cards: readonly [string, string][] = []): string {
  const { adapter, limits } = found;
  const bytes = (n: number) => (n >= 2 ** 20 ? `${Math.round(n / 2 ** 20)} MiB` : `${Math.round(n / 1024)} KiB`);
  const time = found.compileClock === 'processor' ? 'of CPU time' : 'of wall time';
  const compiles = (k: KernelReport): string =>
    k.ok ? `; compiles in ${k.compileMs.toPrecision(3)} ms ${time} (${k.compileShader})` : '';
  const rows: [string, string][] = [
    ['runtime', adapter.runtime],
    ['adapter', `${adapter.name}${adapter.software ? ' (software)' : ''}, ${adapter.backend} backend`],
    ['driver', adapter.driver || 'not reported by this runtime'],
    ...cards,
    ['features', found.features.join(', ') || 'none'],
    ['buffers', `up to ${bytes(limits.maxBufferSize)}, ${bytes(limits.maxStorageBufferBindingSize)} in one binding`],
    [
      'workgroups',
      `up to ${limits.maxComputeInvocationsPerWorkgroup} invocations, ${bytes(limits.maxComputeWorkgroupStorageSize)} memory, ${limits.maxStorageBuffersPerShaderStage} storage buffers`,
    ],
    [
      'dispatch',
      `${found.dispatch.microseconds.toFixed(1)} us each in one pass (${found.dispatch.source}); ${found.dispatch.submitMicroseconds.toFixed(0)} us submitted and awaited alone`,
    ],
    ['half precision', halfLine(found.matrixUnits)],
    ...found.matmuls.map(matmulRow),
    ...found.kernels.map((k): [string, string] => [`kernel ${k.op}`, `${kernelText(k)}${compiles(k)}`]),
    ['verdict', found.ok ? 'every kernel computes correctly' : 'WRONG results: do not use this adapter, see above'],
  ];
  return rowsText(rows);
}

export const matmulRow = ({ shape, half, gflops, elapsedMs }: MatmulSpeed): [string, string] => [
  `matmul ${half ? 'f16' : 'f32'}`,
  `${shape.join(' x ')}: ${gflops.toPrecision(3)} GFLOP/s, ${elapsedMs.toPrecision(3)} ms`,
];

export const kernelText = (k: CheckedKernel): string =>
  k.ok
    ? `correct in ${k.cases} cases; worst ${k.worst.toFixed(3)} of its bound ${k.bound} (${k.worstCase})`
    : `WRONG in ${k.worstCase}: ${k.where}`;

export function rowsText(rows: readonly [string, string][]): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}`).join('\n');
}
