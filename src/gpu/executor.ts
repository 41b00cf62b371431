import { GpuError, ShapeError } from '../core/errors.js';
import { type Executor, type HostArray, type LoadedProgram, replicasWritten } from '../plan/executor.js';
import { type Call, elementsPerReplica, type Program, type Tensor } from '../plan/types.js';
import type { GpuSession } from './device.js';
import type { AdapterTraits, Dispatch, Lowering } from './dispatch.js';
import { bufferUsage, mapMode } from './flags.js';
import { bindingBytes, programOf, ReplicaGroups, replicasThatFit } from './groups.js';
import { type Compiled, clockOf, PipelineCache } from './pipelines.js';
import { readBuffer } from './scope.js';

/** Runs programs on a WebGPU device: buffers, pipelines and bind groups are built once, then only dispatches are queued. */
export class GpuExecutor implements Executor {
  readonly kind = 'webgpu';
  readonly description: string;
  readonly driver: string | undefined;
  readonly runtime: string;
  readonly traits: AdapterTraits;
  readonly half: Executor['half'];
  readonly #pipelines: PipelineCache;

  constructor(
    readonly gpu: GpuSession,
    readonly lower: Lowering<Call>,
    tuned?: ReadonlyMap<string, string>,
    /** Overrides the properties of the adapter, so that tests can run GPU variants on software drivers. */
    traits: Partial<AdapterTraits> = {},
    pipelines: PipelineCache = PipelineCache.of(gpu),
    /** Rewrites a program for GPUs before it is lowered. */
    readonly prepare: (program: Program, traits: AdapterTraits) => Program = (program) => program,
    /** Without matrix units half-precision factors are emulated. */
    emulateHalf = false,
  ) {
    this.description = gpu.info.name;
    this.driver = gpu.info.driver || undefined;
    this.runtime = gpu.info.runtime;
    this.traits = {
      software: gpu.info.software,
      vendor: gpu.info.vendor,
      maxWorkgroupStorageBytes: gpu.device.limits.maxComputeWorkgroupStorageSize,
      maxInvocations: gpu.device.limits.maxComputeInvocationsPerWorkgroup,
      maxBindingBytes: gpu.device.limits.maxStorageBufferBindingSize,
      subgroupSize: gpu.subgroupSize,
      matrixUnits: gpu.matrixUnits,
      f16: gpu.features.has('shader-f16'),
      tuned,
      ...traits,
    };
    this.half = this.traits.matrixUnits ? 'units' : emulateHalf ? 'emulated' : undefined;
    this.#pipelines = pipelines;
  }

  /**
   * A GpuProgram, or several for groups of replicas whose tensors fit a binding. oneByOne: pipelines are created one after another
   * instead of in parallel, so that compileTimes() can measure each.
   */
  async load(program: Program, { oneByOne = false } = {}): Promise<LoadedProgram> {
    this.gpu.check();
    const prepared = this.prepare(program, this.traits);
    const most = replicasThatFit(prepared, this.traits.maxBindingBytes ?? Infinity);
    if (most === program.replicas) return this.#loadWhole(program, prepared, oneByOne);
    const together = Math.ceil(program.replicas / Math.ceil(program.replicas / most)); // groups of about equal size
    const groups: LoadedProgram[] = [];
    try {
      for (let from = 0; from < program.replicas; from += together) {
        const part = programOf(program, Math.min(together, program.replicas - from));
        groups.push(await this.#loadWhole(part, this.prepare(part, this.traits), oneByOne));
      }
    } catch (error) {
      for (const group of groups) group.destroy();
      throw error;
    }
    return new ReplicaGroups(program, groups);
  }

  async #loadWhole(program: Program, prepared: Program, oneByOne: boolean): Promise<GpuProgram> {
    const scratchSizes = new Map<string, number>();
    const lowered = new Map<string, { call: Call; dispatch: Dispatch }[]>();
    for (const plan of prepared.plans.values()) {
      const dispatches = plan.calls.flatMap((call) => {
        const scratch = (index: number, shape: readonly number[]): Tensor => {
          const name = `scratch${index}`;
          const elements = shape.reduce((a, b) => a * b, 1);
          scratchSizes.set(name, Math.max(scratchSizes.get(name) ?? 0, elements));
          const stride = elements / shape[0];
          return { name, shape, dtype: 'f32', role: 'persistent', buffer: name, offset: 0, replicaStride: stride };
        };
        return this.lower(call, this.traits, scratch).map((dispatch) => ({ call, dispatch }));
      });
      lowered.set(plan.name, dispatches);
    }
    this.gpu.device.pushErrorScope('out-of-memory');
    let loaded: GpuProgram;
    let memoryError: Promise<GPUError | null> = Promise.resolve(null);
    try {
      loaded = new GpuProgram(this, program, scratchSizes);
    } finally {
      memoryError = this.gpu.device.popErrorScope();
      memoryError.catch(() => {}); // a refusal above takes precedence
    }
    try {
      if (await this.gpu.guard(memoryError))
        throw new GpuError(
          `${this.description}: the program needs ${Math.ceil(loaded.memoryBytes / 2 ** 20)} MiB on the device, more than is free; ` +
            'use fewer replicas, a smaller batch, width or evaluation.size',
        );
      for (const [name, dispatches] of lowered) await loaded.addPlan(name, dispatches, this.#pipelines, oneByOne);
    } catch (error) {
      loaded.destroy();
      throw error;
    }
    return loaded;
  }
}

interface Prepared {
  label: string; // shader and label of the call
  shader: string;
  compiled: Compiled;
  pipeline: GPUComputePipeline;
  group: GPUBindGroup;
  workgroups: readonly [number, number, number];
}

/** How long one pipeline took to compile. */
export interface CompileTime {
  shader: string; // name of the .wgsl file
  ms: number;
}

/** The pipeline that took longest. */
export function slowest(times: readonly CompileTime[]): CompileTime {
  return times.reduce((worst, time) => (time.ms > worst.ms ? time : worst));
}

export class GpuProgram implements LoadedProgram {
  readonly memoryBytes: number;
  readonly #device: GPUDevice;
  readonly #buffers = new Map<string, GPUBuffer>();
  readonly #plans = new Map<string, Prepared[]>();
  readonly #uniforms: GPUBuffer[] = [];
  readonly #pending: Promise<unknown>[] = [];

  constructor(
    readonly executor: GpuExecutor,
    readonly program: Program,
    scratch: ReadonlyMap<string, number>,
  ) {
    this.#device = executor.gpu.device;
    const all = [...program.buffers.map((b) => [b.name, b.elements] as const), ...scratch];
    this.memoryBytes = all.reduce((sum, [, elements]) => sum + elements * 4, 0);
    const limit = this.#device.limits.maxBufferSize;
    for (const [name, elements] of all) {
      const bytes = Math.max(256, Math.ceil(elements / 4) * 16);
      if (bytes > limit)
        throw new ShapeError(
          `buffer ${name}: ${bytes} bytes, the adapter's limit is ${limit}; use fewer replicas, a smaller batch or width`,
        );
      const usage = bufferUsage.storage | bufferUsage.copySrc | bufferUsage.copyDst;
      this.#buffers.set(name, this.#device.createBuffer({ label: name, size: bytes, usage }));
    }
    this.#buffers.set('none', this.#device.createBuffer({ label: 'none', size: 256, usage: bufferUsage.storage }));
  }

  async addPlan(
    name: string,
    list: { call: Call; dispatch: Dispatch }[],
    cache: PipelineCache,
    oneByOne: boolean,
  ): Promise<void> {
    const slots = list.map(({ dispatch }) => Math.ceil((dispatch.uniforms.length * 4) / 256) * 256 || 256);
    const words = new DataView(new ArrayBuffer(slots.reduce((a, b) => a + b, 0) || 256));
    const uniforms = this.#device.createBuffer({
      label: `${name} uniforms`,
      size: words.byteLength,
      usage: bufferUsage.uniform | bufferUsage.copyDst,
    });
    this.#uniforms.push(uniforms);
    if (oneByOne) for (const { dispatch } of list) await cache.get(dispatch);
    const compiled = await Promise.all(list.map(({ dispatch }) => cache.get(dispatch))); // side by side
    let at = 0;
    const prepared: Prepared[] = [];
    for (const [index, { call, dispatch }] of list.entries()) {
      dispatch.uniforms.forEach((word, i) => {
        if (typeof word === 'number') words.setUint32(at + 4 * i, word, true);
        else words.setFloat32(at + 4 * i, word.f32, true);
      });
      const { pipeline, layout } = compiled[index];
      const { workgroups } = dispatch;
      const entries = dispatch.bindings.map((b, i) => ({ binding: i + 1, resource: this.#resource(call, b.tensor) }));
      const size = Math.max(16, Math.ceil((dispatch.uniforms.length * 4) / 16) * 16);
      const group = this.#device.createBindGroup({
        label: `${call.op} ${call.label}`,
        layout,
        entries: [{ binding: 0, resource: { buffer: uniforms, offset: at, size } }, ...entries],
      });
      const label = `${dispatch.shader} ${call.label}`;
      prepared.push({ label, shader: dispatch.shader, compiled: compiled[index], pipeline, group, workgroups });
      at += slots[index];
    }
    this.#device.queue.writeBuffer(uniforms, 0, words.buffer);
    this.#plans.set(name, prepared);
  }

  #bufferOf(tensor: Tensor): GPUBuffer {
    const buffer = this.#buffers.get(this.program.slots.get(tensor.buffer) ?? tensor.buffer);
    if (!buffer)
      throw new GpuError(
        `tensor ${tensor.name}: no buffer ${tensor.buffer} in this program; use a tensor of this program's builder`,
      );
    return buffer;
  }

  /** Location of a tensor on the device, for the caller's own passes that read it. Replica 0 comes first. */
  binding(tensor: Tensor): { buffer: GPUBuffer; offset: number; size: number } {
    return {
      buffer: this.#bufferOf(tensor),
      offset: tensor.offset * 4,
      size: bindingBytes(tensor),
    };
  }

  #resource(call: Call, tensor: Tensor | 'none'): GPUBufferBinding {
    if (tensor === 'none') return { buffer: this.#buffers.get('none')! };
    const bytes = bindingBytes(tensor);
    const limit = this.executor.traits.maxBindingBytes ?? Infinity;
    if (bytes > limit)
      throw new ShapeError(
        `${call.op} (${call.label}): tensor ${tensor.name} [${tensor.shape}] needs a binding of ${bytes} bytes, ` +
          `the adapter's limit is ${limit}; use a smaller batch, width or evaluation.size`,
      );
    return { buffer: this.#bufferOf(tensor), offset: tensor.offset * 4, size: bytes };
  }

  /** omit: index of a dispatch to leave out, with which a benchmark measures what that dispatch costs within the plan. */
  async run(name: string, times = 1, omit?: number): Promise<void> {
    const all = this.#plans.get(name);
    if (!all) throw new GpuError(`plan ${name}: not in this program; run one of ${[...this.#plans.keys()].join(', ')}`);
    const plan = omit === undefined ? all : all.filter((_, i) => i !== omit);
    const gpu = this.executor.gpu;
    // Software drivers run a submit to its end before other work gets the core, so submits are short there. A GPU starts on a
    // submit while the next one is encoded (1 to 2 us per dispatch). The first submit is one step, so that the GPU starts at once,
    // and each later one twice as long: with submits of 512 dispatches from the start, 10 steps of 150 us took 7 ms, not 2.7.
    const dispatchesPerSubmit = gpu.info.software ? 256 : 512;
    const most = Math.max(1, Math.floor(dispatchesPerSubmit / Math.max(1, plan.length)));
    let steps = gpu.info.software ? most : 1;
    for (let done = 0; done < times; done += steps, steps = Math.min(most, 2 * steps)) {
      gpu.check();
      const encoder = this.#device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      let bound: GPUComputePipeline | undefined;
      for (let step = done; step < Math.min(times, done + steps); step++)
        for (const { pipeline, group, workgroups } of plan) {
          if (pipeline !== bound) pass.setPipeline(pipeline);
          bound = pipeline;
          pass.setBindGroup(0, group);
          pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
        }
      pass.end();
      this.#device.queue.submit([encoder.finish()]);
      const finished = gpu.guard(this.#device.queue.onSubmittedWorkDone());
      finished.catch(() => {}); // the error reaches the code that awaits it; after a device loss there may be none
      this.#pending.push(finished);
      if (this.#pending.length > 4) await this.#pending.shift();
    }
    gpu.check();
  }

  /** Dispatches in a plan. */
  dispatches(name: string): number {
    return this.#plans.get(name)?.length ?? 0;
  }

  /**
   * GPU time of every dispatch of a plan, in microseconds: median over `repeats` passes. A pass runs one dispatch, 32 times on a
   * GPU because its two timestamps add some 8 us; from the second run on, data that fits in the caches is read from them.
   * @throws GpuError if the adapter has no timestamp queries.
   */
  async profile(name: string, repeats = 15): Promise<{ label: string; us: number }[]> {
    const { device, features } = this.executor.gpu;
    if (!features.has('timestamp-query'))
      throw new GpuError(
        `profile: ${this.executor.description} has no timestamp-query; profile on an adapter that has it`,
      );
    const plan = this.#plans.get(name) ?? [];
    const samples: number[][] = plan.map(() => []);
    const queries = device.createQuerySet({ type: 'timestamp', count: 2 });
    const resolved = device.createBuffer({ size: 16, usage: bufferUsage.queryResolve | bufferUsage.copySrc });
    const times = this.executor.traits.software ? 1 : 32;
    for (let repeat = 0; repeat < repeats; repeat++)
      for (const [i, prepared] of plan.entries()) {
        const encoder = device.createCommandEncoder();
        const timestampWrites = { querySet: queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
        passOf(encoder, prepared, { timestampWrites }, times);
        encoder.resolveQuerySet(queries, 0, 2, resolved, 0);
        device.queue.submit([encoder.finish()]);
        const [start, end] = new BigUint64Array(await readBuffer(this.executor.gpu, resolved));
        samples[i].push(Number(end - start) / 1000 / times);
      }
    queries.destroy();
    resolved.destroy();
    return plan.map(({ label }, i) => ({ label, us: samples[i].sort((a, b) => a - b)[repeats >> 1] }));
  }

  /**
   * Milliseconds that the pipeline of each dispatch took to compile, by clockOf(): its creation, plus the difference between its
   * first and second run, since some drivers (lavapipe) translate a shader when it first runs. Runs the plan's dispatches one by
   * one. For a program loaded with oneByOne; shaders in the driver's own cache on disk take no time.
   */
  async compileTimes(name: string): Promise<CompileTime[]> {
    const { now } = clockOf(this.executor.gpu);
    const once = async (prepared: Prepared) => {
      const start = now();
      const encoder = this.#device.createCommandEncoder();
      passOf(encoder, prepared);
      this.#device.queue.submit([encoder.finish()]);
      await this.executor.gpu.drain();
      return now() - start;
    };
    const times: CompileTime[] = [];
    for (const prepared of this.#plans.get(name) ?? []) {
      const { compiled, shader } = prepared;
      const first = await once(prepared);
      const second = await once(prepared);
      compiled.compileMs ??= compiled.createMs + Math.max(0, first - second);
      times.push({ shader, ms: compiled.compileMs });
    }
    return times;
  }

  write(tensor: Tensor, data: HostArray | readonly number[], replica?: number): void {
    const [first, end] = replicasWritten(tensor, data, replica);
    const per = elementsPerReplica(tensor);
    const ArrayType = tensor.dtype === 'u32' ? Uint32Array : Float32Array;
    const packed = data instanceof ArrayType ? data : ArrayType.from(data);
    const buffer = this.#bufferOf(tensor);
    for (let r = first; r < end; r++) {
      const offset = 4 * (tensor.offset + r * tensor.replicaStride);
      // Offsets into an ArrayBuffer are in bytes; Deno also takes offsets into a typed array as bytes, against the specification.
      const from = packed.byteOffset + 4 * (r - first) * per;
      this.#device.queue.writeBuffer(buffer, offset, packed.buffer, from, 4 * per);
    }
  }

  async read(tensor: Tensor): Promise<Float32Array | Uint32Array> {
    const per = elementsPerReplica(tensor);
    const replicas = tensor.shape[0];
    const staging = this.#device.createBuffer({
      size: Math.max(16, 4 * per * replicas),
      usage: bufferUsage.mapRead | bufferUsage.copyDst,
    });
    const encoder = this.#device.createCommandEncoder();
    const buffer = this.#bufferOf(tensor);
    for (let r = 0; r < replicas; r++)
      encoder.copyBufferToBuffer(buffer, 4 * (tensor.offset + r * tensor.replicaStride), staging, 4 * r * per, 4 * per);
    this.#device.queue.submit([encoder.finish()]);
    await this.executor.gpu.guard(staging.mapAsync(mapMode.read));
    const copy = staging.getMappedRange().slice(0, 4 * per * replicas);
    staging.unmap();
    staging.destroy();
    this.executor.gpu.check();
    return tensor.dtype === 'u32' ? new Uint32Array(copy) : new Float32Array(copy);
  }

  /** Waits for the work queued so far; more may be queued in the meantime. */
  async finish(): Promise<void> {
    await this.executor.gpu.drain();
  }

  destroy(): void {
    for (const buffer of [...this.#buffers.values(), ...this.#uniforms]) buffer.destroy();
    this.#buffers.clear();
    this.#plans.clear();
  }
}

/** A pass that runs one dispatch `times` times. */
function passOf(
  encoder: GPUCommandEncoder,
  prepared: Prepared,
  descriptor?: GPUComputePassDescriptor,
  times = 1,
): void {
  const { pipeline, group, workgroups } = prepared;
  const pass = encoder.beginComputePass(descriptor);
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  for (let n = 0; n < times; n++) pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  pass.end();
}
