import { ShapeError } from '../core/errors.js';
import { planMemory } from './memory.js';
import type { BufferSpec, Call, DType, Plan, Program, Tensor } from './types.js';

const ALIGN = 64; // elements; 256 bytes, the offset alignment that every WebGPU adapter accepts

/** Collects parameters, persistent tensors and plans, then lays out memory. Sizes in elements (4 bytes each). */
export class ProgramBuilder {
  readonly #tensors = new Map<string, Tensor>();
  readonly #buffers: BufferSpec[] = [];
  readonly #plans = new Map<string, Call[]>();
  readonly #parameters: { name: string; shape: readonly number[]; offset: number }[] = [];
  #rowElements = 0;
  #sealed = false;

  /** replicas: R >= 1, the leading dimension of every tensor. */
  constructor(readonly replicas: number) {
    if (!(Number.isInteger(replicas) && replicas >= 1))
      throw new ShapeError(`replicas: got ${replicas}; pass a whole number >= 1`);
  }

  /**
   * Declares a parameter, shape without the replica dimension. All parameters must be declared before the first is used:
   * they share one [R, P] block, in the order of declaration.
   */
  declareParameter(name: string, shape: readonly number[]): void {
    if (this.#sealed)
      throw new ShapeError(`parameter ${name}: declared after a parameter was used; declare all parameters first`);
    checkShape(name, shape);
    if (this.#parameters.some((p) => p.name === name))
      throw new ShapeError(`parameter ${name}: declared twice; give each parameter a different name`);
    this.#parameters.push({ name, shape, offset: this.#rowElements });
    this.#rowElements += align(product(shape));
  }

  parameter(name: string): Tensor {
    return this.#block('params', 'parameter', name);
  }

  gradient(name: string): Tensor {
    return this.#block('grads', 'gradient', name);
  }

  /** A whole [R, P] block as one tensor: `params`, `grads`, or optimiser state of the same shape. */
  block(name: string): Tensor {
    this.#sealed = true;
    const existing = this.#tensors.get(name);
    if (existing) return existing;
    return this.persistent(name, [this.#rowElements || ALIGN]);
  }

  /** A tensor that keeps its value between steps; starts at zero. Shape without the replica dimension. */
  persistent(name: string, shape: readonly number[], dtype: DType = 'f32'): Tensor {
    checkShape(name, shape);
    if (this.#tensors.has(name))
      throw new ShapeError(`tensor ${name}: declared twice; give each tensor a different name`);
    const elements = product(shape);
    const tensor: Tensor = {
      name,
      shape: [this.replicas, ...shape],
      dtype,
      role: 'persistent',
      buffer: name,
      offset: 0,
      replicaStride: elements,
    };
    this.#buffers.push({ name, elements: elements * this.replicas, dtype });
    this.#tensors.set(name, tensor);
    return tensor;
  }

  /** Opens a plan: a list of calls that always run together, in order. */
  plan(name: string): PlanBuilder {
    if (this.#plans.has(name)) throw new ShapeError(`plan ${name}: declared twice; give each plan a different name`);
    const calls: Call[] = [];
    this.#plans.set(name, calls);
    return new PlanBuilder(this, name, calls);
  }

  build(): Program {
    const plans = new Map<string, Plan>();
    for (const [name, calls] of this.#plans) plans.set(name, { name, calls });
    const memory = planMemory([...plans.values()]);
    return {
      replicas: this.replicas,
      buffers: [...this.#buffers, ...memory.buffers],
      tensors: this.#tensors,
      plans,
      slots: memory.slots,
      parameterCount: this.#rowElements,
    };
  }

  #block(buffer: 'params' | 'grads', role: 'parameter' | 'gradient', name: string): Tensor {
    this.block(buffer);
    const key = role === 'parameter' ? name : `${name}.grad`;
    const existing = this.#tensors.get(key);
    if (existing) return existing;
    const parameter = this.#parameters.find((p) => p.name === name);
    if (!parameter) {
      const known = this.#parameters.map((p) => p.name).join(', ') || 'none';
      throw new ShapeError(`parameter ${name}: not declared, there are ${known}; call declareParameter first`);
    }
    const tensor: Tensor = {
      name: key,
      shape: [this.replicas, ...parameter.shape],
      dtype: 'f32',
      role,
      buffer,
      offset: parameter.offset,
      replicaStride: this.#rowElements,
    };
    this.#tensors.set(key, tensor);
    return tensor;
  }
}

/** Adds calls to one plan. The functions in src/kernels check shapes and call `call`. */
export class PlanBuilder {
  #counter = 0;
  constructor(
    readonly program: ProgramBuilder,
    readonly name: string,
    readonly calls: Call[],
  ) {}

  get replicas(): number {
    return this.program.replicas;
  }

  /** Scratch that exists from its first writer to its last reader in this plan. Shape without the replica dimension. */
  activation(name: string, shape: readonly number[], dtype: DType = 'f32'): Tensor {
    checkShape(name, shape);
    const unique = `${this.name}/${name}#${this.#counter++}`;
    return {
      name: unique,
      shape: [this.replicas, ...shape],
      dtype,
      role: 'activation',
      buffer: unique,
      offset: 0,
      replicaStride: product(shape),
    };
  }

  call(call: Call): void {
    this.calls.push(call);
  }
}

/** The same memory under another shape (same elements per replica). */
export function reshape(tensor: Tensor, shape: readonly number[]): Tensor {
  const wanted = product(shape);
  const have = product(tensor.shape.slice(1));
  if (wanted !== have)
    throw new ShapeError(
      `reshape ${tensor.name}: [${tensor.shape.slice(1)}] has ${have} elements, [${shape}] has ${wanted}; pass a shape of ${have} elements`,
    );
  return { ...tensor, shape: [tensor.shape[0], ...shape] };
}

export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function align(elements: number): number {
  return Math.ceil(elements / ALIGN) * ALIGN;
}

function checkShape(name: string, shape: readonly number[]): void {
  if (!shape.every((n) => Number.isInteger(n) && n >= 1))
    throw new ShapeError(`${name}: shape [${shape}]; every dimension must be a whole number >= 1`);
}
