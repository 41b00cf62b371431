/** What `rhm doctor` finds out about an adapter. Runs on every platform. */
import { GpuError } from '../core/errors.js';
import type { AdapterSummary, GpuLimits, GpuSession } from '../gpu/device.js';
import { compileShader, createBuffer, readBuffer, scoped } from '../gpu/scope.js';
import { timePass } from '../gpu/timing.js';

export interface DoctorReport {
  runtime: string;
  adapter: AdapterSummary;
  features: string[];
  limits: GpuLimits;
  dispatch: DispatchCost;
  ok: boolean; // every check passed
}

export interface DispatchCost {
  microseconds: number; // each, many in one pass
  submitMicroseconds: number; // one submit of one dispatch and the wait for it
  source: string; // what measured it
}

/**
 * Looks an adapter over and measures it.
 * @throws GpuError when the GPU computes a wrong result or refuses to.
 */
export async function examine(session: GpuSession, report: (line: string) => void = () => {}): Promise<DoctorReport> {
  report('measuring the cost of a dispatch');
  const dispatch = await dispatchCost(session);
  const limits = Object.fromEntries(limitNames.map((name) => [name, session.limits[name]])) as unknown as GpuLimits;
  return {
    runtime: session.info.runtime,
    adapter: session.info,
    features: [...session.features].sort(),
    limits,
    dispatch,
    ok: true,
  };
}

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

/** A chain of dispatches that each square-and-add modulo 2^32; the last value is checked against the host's. */
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
        `${session.info.name}: after ${total} dispatches lane ${lane} holds ${found[lane]}, ${wanted} is right; this driver cannot be trusted, choose another with RHM_ADAPTER`,
      );
  }
  return {
    microseconds: (many.elapsedMs * 1000) / steps,
    submitMicroseconds: one.wallMs * 1000,
    source: many.source,
  };
}
