import { ShapeError } from '../core/errors.js';
import { type Executor, type HostArray, type LoadedProgram, replicasWritten } from '../plan/executor.js';
import { type Call, elementsPerReplica, type Program, type Tensor } from '../plan/types.js';

/** A tensor's elements starting at its first; replica r starts at r * stride. */
export interface ReferenceView {
  readonly data: Float64Array | Uint32Array;
  readonly stride: number;
}

/** Runs programs in float64 on the host: slow and simple; every other executor is compared with it. */
export class ReferenceExecutor implements Executor {
  readonly kind = 'reference';
  readonly description = 'float64 reference';
  readonly half = 'emulated';

  constructor(readonly apply: (call: Call, views: Record<string, ReferenceView>) => void) {}

  async load(program: Program): Promise<LoadedProgram> {
    return new ReferenceProgram(this, program);
  }
}

class ReferenceProgram implements LoadedProgram {
  readonly memoryBytes: number;
  readonly #buffers = new Map<string, Float64Array | Uint32Array>();

  constructor(
    readonly executor: ReferenceExecutor,
    readonly program: Program,
  ) {
    for (const { name, elements, dtype } of program.buffers)
      this.#buffers.set(name, dtype === 'u32' ? new Uint32Array(elements) : new Float64Array(elements));
    this.memoryBytes = program.buffers.reduce((sum, b) => sum + 8 * b.elements, 0);
  }

  #view(tensor: Tensor): ReferenceView {
    // Each activation has its own buffer: slots mix integers and floats, and memory is not scarce here.
    let buffer = this.#buffers.get(tensor.buffer);
    if (!buffer) {
      const elements = tensor.replicaStride * tensor.shape[0];
      buffer = tensor.dtype === 'u32' ? new Uint32Array(elements) : new Float64Array(elements);
      this.#buffers.set(tensor.buffer, buffer);
    }
    return { data: buffer.subarray(tensor.offset), stride: tensor.replicaStride };
  }

  async run(name: string, times = 1): Promise<void> {
    const plan = this.program.plans.get(name);
    if (!plan)
      throw new ShapeError(
        `plan ${name}: not in this program; run one of ${[...this.program.plans.keys()].join(', ')}`,
      );
    for (let i = 0; i < times; i++)
      for (const call of plan.calls) {
        const views: Record<string, ReferenceView> = {};
        for (const [slot, tensor] of [...Object.entries(call.inputs), ...Object.entries(call.outputs)])
          views[slot] = this.#view(tensor);
        this.executor.apply(call, views);
      }
  }

  write(tensor: Tensor, values: HostArray | readonly number[], replica?: number): void {
    const [first, end] = replicasWritten(tensor, values, replica);
    const per = elementsPerReplica(tensor);
    const { data, stride } = this.#view(tensor);
    for (let r = first; r < end; r++)
      for (let i = 0; i < per; i++) data[r * stride + i] = values[(r - first) * per + i];
  }

  async read(tensor: Tensor): Promise<HostArray> {
    const per = elementsPerReplica(tensor);
    const { data, stride } = this.#view(tensor);
    const out =
      tensor.dtype === 'u32' ? new Uint32Array(per * tensor.shape[0]) : new Float64Array(per * tensor.shape[0]);
    for (let r = 0; r < tensor.shape[0]; r++) out.set(data.subarray(r * stride, r * stride + per), r * per);
    return out;
  }

  async finish(): Promise<void> {}

  destroy(): void {
    this.#buffers.clear();
  }
}
