import { GpuError } from '../core/errors.js';
import type { Dispatch } from './dispatch.js';

interface Compiled {
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
}

/** Compute pipelines by (source, constants, access of the bindings). Compilation errors carry the WGSL line. */
export class PipelineCache {
  readonly #compiled = new Map<string, Promise<Compiled>>();
  readonly #modules = new Map<string, Promise<GPUShaderModule>>();

  constructor(readonly device: GPUDevice) {}

  get(dispatch: Dispatch): Promise<Compiled> {
    const access = dispatch.bindings.map((b) => b.access[0]).join('');
    const constants = JSON.stringify(Object.entries(dispatch.constants ?? {}).sort());
    const key = `${access} ${constants} ${dispatch.source}`;
    let compiled = this.#compiled.get(key);
    if (!compiled) {
      compiled = this.#compile(dispatch);
      this.#compiled.set(key, compiled);
    }
    return compiled;
  }

  async #compile(dispatch: Dispatch): Promise<Compiled> {
    const { device } = this;
    const module = await this.#module(dispatch);
    device.pushErrorScope('validation');
    device.pushErrorScope('internal');
    const layout = device.createBindGroupLayout({
      label: dispatch.shader,
      entries: [
        { binding: 0, visibility: 4, buffer: { type: 'uniform' } },
        ...dispatch.bindings.map((b, i) => ({
          binding: i + 1,
          visibility: 4, // GPUShaderStage.COMPUTE
          buffer: { type: (b.access === 'read' ? 'read-only-storage' : 'storage') as GPUBufferBindingType },
        })),
      ],
    });
    let pipeline: GPUComputePipeline | undefined;
    let failure: unknown;
    try {
      pipeline = await device.createComputePipelineAsync({
        label: dispatch.shader,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main', constants: dispatch.constants },
      });
    } catch (error) {
      failure = error;
    }
    const internal = await device.popErrorScope();
    const validation = await device.popErrorScope();
    const message = validation?.message ?? internal?.message ?? (failure as Error | undefined)?.message;
    if (!pipeline || message) throw new GpuError(`shader ${dispatch.shader}: ${message}`);
    return { pipeline, layout };
  }

  #module(dispatch: Dispatch): Promise<GPUShaderModule> {
    let module = this.#modules.get(dispatch.source);
    if (!module) {
      module = compileModule(this.device, dispatch.shader, dispatch.source);
      this.#modules.set(dispatch.source, module);
    }
    return module;
  }
}

/** @throws GpuError with file, line, column and the offending line of WGSL. */
export async function compileModule(device: GPUDevice, name: string, source: string): Promise<GPUShaderModule> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label: name, code: source });
  const scope = await device.popErrorScope();
  const messages = scope ? ((await module.getCompilationInfo?.())?.messages ?? []) : [];
  const first = messages.find((m) => m.type === 'error');
  if (first) {
    const line = source.split('\n')[first.lineNum - 1]?.trim();
    throw new GpuError(`shader ${name}.wgsl:${first.lineNum}:${first.linePos}: ${first.message}\n    ${line}`);
  }
  if (scope) throw new GpuError(`shader ${name}.wgsl: ${scope.message}`);
  return module;
}
