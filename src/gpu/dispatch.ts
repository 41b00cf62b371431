import type { DType, Tensor } from '../plan/types.js';
import type { MatrixUnits } from './device.js';

/** One word of a uniform block; whole numbers are stored as u32 (negative ones as i32). */
export type Word = number | { readonly f32: number };

export interface Binding {
  readonly tensor: Tensor | 'none'; // 'none': a small dummy buffer, for an input that this variant does not use
  readonly access: 'read' | 'write'; // WGSL storage `read` or `read_write`
  readonly type?: string; // WGSL type of the elements; default: the tensor's
}

/** The inputs of one dispatch. Binding 0 is the uniform block, followed by `bindings` from 1 on, all in group 0. */
export interface Dispatch {
  readonly shader: string; // name of the .wgsl file, for errors and measurements
  readonly source: string;
  readonly constants?: Readonly<Record<string, number>>; // WGSL `override` values
  readonly uniforms: readonly Word[];
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
}

/** A shader's text without its head, which declares the uniform block `p` and the buffers. */
export interface Shader {
  readonly shader: string; // the .wgsl file's name
  readonly enable?: string; // a WGSL extension
  readonly source: string;
  readonly constants?: Readonly<Record<string, number>>;
  readonly words?: readonly NamedWord[];
  readonly bind: Readonly<Record<string, Binding>>;
  readonly workgroups: readonly [number, number, number];
}

/** A word of the uniform block: `p.name` in the shader. */
export interface NamedWord {
  readonly name: string;
  readonly type: 'u32' | 'i32' | 'f32';
  readonly value: number;
}

/** Words by name: whole numbers are u32. */
export function namedWords(words: Readonly<Record<string, Word>>): NamedWord[] {
  return Object.entries(words).map(([name, word]) =>
    typeof word === 'number' ? { name, type: 'u32', value: word } : { name, type: 'f32', value: word.f32 },
  );
}

/** The dispatch of a shader: its text after a head with `struct Params` and the bindings. A name that does not exist does not compile. */
export function dispatchOf({ enable, source, words = [], bind, ...rest }: Shader): Dispatch {
  const fields = words.map(({ name, type }) => `  ${wgslName(name)}: ${type},\n`).join('');
  const buffers = Object.entries(bind).map(([name, { tensor, access, type }], i) => {
    const element: DType | string = type ?? (tensor === 'none' ? 'f32' : tensor.dtype);
    const mode = access === 'read' ? 'read' : 'read_write';
    return `@group(0) @binding(${i + 1}) var<storage, ${mode}> ${name}: array<${element}>;\n`;
  });
  const block = fields && `struct Params {\n${fields}}\n@group(0) @binding(0) var<uniform> p: Params;\n`;
  return {
    ...rest,
    source: `${enable ? `enable ${enable};\n` : ''}${block}${buffers.join('')}${source}`,
    uniforms: words.map(({ type, value }) => (type === 'f32' ? { f32: value } : value)),
    bindings: Object.values(bind),
  };
}

/** WGSL reserves some words. */
function wgslName(name: string): string {
  return name === 'filter' ? 'filterSize' : name;
}

/** Properties of the adapter by which kernels choose a variant. */
export interface AdapterTraits {
  /**
   * A driver that runs shaders on the CPU: no workgroup memory, few rows per thread (measured: shared memory only costs time
   * there).
   */
  readonly software: boolean;
  readonly vendor: string;
  readonly maxWorkgroupStorageBytes: number;
  readonly maxInvocations: number;
  /** The most bytes of a buffer in one binding; replicas whose tensors are larger are loaded in groups (groups.ts). */
  readonly maxBindingBytes?: number;
  /** Lanes of a subgroup, if WGSL can use subgroups and all have the same size; else 0. */
  readonly subgroupSize?: number;
  /** Matrices that a subgroup of 32 multiplies at once (tensor cores): M x K times K x N, f16 into f32. */
  readonly matrixUnits?: MatrixUnits;
  /** Whether WGSL has f16. */
  readonly f16?: boolean;
  /** Winners of `rhm tune` on this adapter: `${op}:${shape key}` -> variant name. */
  readonly tuned?: ReadonlyMap<string, string>;
  /** Overrides variantOf(): tests run every variant on any adapter. */
  readonly choose?: (op: string, fitting: readonly string[], usual: string) => string | undefined;
}

/** Which of the variants that fit a call is used. Every choice between kernels of one operation goes through here. */
export function variantOf<V extends string>(traits: AdapterTraits, op: string, fitting: readonly V[], usual: V): V {
  const chosen = traits.choose?.(op, fitting, usual);
  return fitting.find((variant) => variant === chosen) ?? usual;
}

/** Scratch memory used only within one call; `index` distinguishes buffers of one call. */
export type Scratch = (index: number, shape: readonly number[]) => Tensor;

/** Turns a kernel call into dispatches; src/kernels implements it for every operation. */
export type Lowering<C> = (call: C, traits: AdapterTraits, scratch: Scratch) => Dispatch[];

export function read(tensor: Tensor | undefined, type?: string): Binding {
  return { tensor: tensor ?? 'none', access: 'read', type };
}

export function write(tensor: Tensor, type?: string): Binding {
  return { tensor, access: 'write', type };
}

/** A 1-D count of workgroups as a grid within WebGPU's 65535 per dimension; the shader uses id.x + id.y * count.x. */
export function linearGrid(workgroups: number): [number, number, number] {
  const limit = 65535;
  if (workgroups <= limit) return [Math.max(1, workgroups), 1, 1];
  const y = Math.ceil(workgroups / limit);
  return [Math.ceil(workgroups / y), y, 1];
}
