import type { GpuSession } from './device.js';
import type { Dispatch } from './dispatch.js';
import { shaderStage } from './flags.js';
import { compileShader, scoped } from './scope.js';

export interface Compiled {
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
  createMs: number; // creation time by clockOf(); other pipelines may have been created at the same time
  compileMs?: number; // including the extra time of its first dispatch, once GpuProgram.compileTimes() has measured it
}

/** The clock for compilation: CPU time of the process if known, which other programs do not affect. */
export function clockOf(session: GpuSession): { name: 'processor' | 'wall'; now: () => number } {
  const { processorMs } = session;
  return processorMs ? { name: 'processor', now: processorMs } : { name: 'wall', now: () => performance.now() };
}

const caches = new WeakMap<GpuSession, PipelineCache>();

/** Compute pipelines by (source, constants, access of the bindings). Compilation errors carry the WGSL line. */
export class PipelineCache {
  /** The cache of a device, shared by everything that runs on it: a driver may take a second for a pipeline. */
  static of(session: GpuSession): PipelineCache {
    let cache = caches.get(session);
    if (!cache) {
      cache = new PipelineCache(session);
      caches.set(session, cache);
    }
    return cache;
  }

  readonly #compiled = new Map<string, Promise<Compiled>>();
  readonly #modules = new Map<string, Promise<GPUShaderModule>>();

  constructor(readonly session: GpuSession) {}

  get(dispatch: Dispatch): Promise<Compiled> {
    const access = dispatch.bindings.map((b) => b.access[0]).join('');
    const constants = JSON.stringify(Object.entries(dispatch.constants ?? {}).sort());
    const key = `${access} ${constants} ${dispatch.source}`;
    let compiled = this.#compiled.get(key);
    if (!compiled) {
      compiled = this.#compile(dispatch);
      compiled.catch(() => this.#compiled.delete(key));
      this.#compiled.set(key, compiled);
    }
    return compiled;
  }

  async #compile(dispatch: Dispatch): Promise<Compiled> {
    const { device } = this.session;
    const clock = clockOf(this.session);
    const start = clock.now();
    const module = await this.#module(dispatch);
    const layout = await scoped(this.session, `bindings of ${dispatch.shader}`, () =>
      device.createBindGroupLayout({
        label: dispatch.shader,
        entries: [
          { binding: 0, visibility: shaderStage.compute, buffer: { type: 'uniform' } },
          ...dispatch.bindings.map((b, i) => ({
            binding: i + 1,
            visibility: shaderStage.compute,
            buffer: { type: (b.access === 'read' ? 'read-only-storage' : 'storage') as GPUBufferBindingType },
          })),
        ],
      }),
    );
    const pipeline = await scoped(this.session, `shader ${dispatch.shader}`, () =>
      device.createComputePipelineAsync({
        label: dispatch.shader,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main', constants: dispatch.constants },
      }),
    );
    return { pipeline, layout, createMs: clock.now() - start };
  }

  #module(dispatch: Dispatch): Promise<GPUShaderModule> {
    let module = this.#modules.get(dispatch.source);
    if (!module) {
      module = compileShader(this.session, dispatch.shader, dispatch.source);
      module.catch(() => this.#modules.delete(dispatch.source));
      this.#modules.set(dispatch.source, module);
    }
    return module;
  }
}
