/** Shapes by named dimensions: the notation of an operation's `inputs` and `outputs`. */
import { ShapeError } from '../../core/errors.js';
import { type DType, elementsPerReplica, type Tensor } from '../../plan/types.js';

/**
 * A tensor as text: `R rows channels`. R is the replica dimension; a number is itself; `...rows` means any number of dimensions whose
 * product is `rows`, `...` alone any shape, and `filter*channels` a product. The prefix `u32` or `any` means that it is not f32; the suffix
 * ` ?` that it may be left out.
 */
export type TensorSpec = string;
export type TensorSpecs = Readonly<Record<string, TensorSpec>>;

type Split<S extends string> = S extends `${infer A} ${infer B}` ? A | Split<B> : S;
type NameIn<W extends string> = W extends '' | '...' | 'R' | '?' | 'u32' | 'any' | `${number}`
  ? never
  : W extends `...${infer N}`
    ? N
    : W extends `${infer A}*${infer B}`
      ? NameIn<A> | NameIn<B>
      : W;

/** Names of the dimensions of some tensors. */
export type DimensionsOf<T extends TensorSpecs> = { [K in keyof T]: NameIn<Split<T[K]>> }[keyof T];

export type OptionalIn<T extends TensorSpecs> = { [K in keyof T]: T[K] extends `${string} ?` ? K : never }[keyof T];
export type RequiredIn<T extends TensorSpecs> = Exclude<keyof T, OptionalIn<T>>;

export type Tensors<T extends TensorSpecs> = { readonly [K in RequiredIn<T>]: Tensor } & {
  readonly [K in OptionalIn<T>]?: Tensor;
};

type ElementsOf<S extends string> = S extends `u32 ${string}`
  ? Uint32Array
  : S extends `any ${string}`
    ? Float64Array | Uint32Array
    : Float64Array;

/** One replica's elements of each tensor, on the host. */
export type ViewsOf<T extends TensorSpecs> = { readonly [K in RequiredIn<T>]: ElementsOf<T[K]> } & {
  readonly [K in OptionalIn<T>]?: ElementsOf<T[K]>;
};

export interface ParsedSpec {
  readonly dims: readonly string[]; // without R
  readonly dtype: DType | 'any';
  readonly optional: boolean;
}

export function parseSpec(spec: TensorSpec): ParsedSpec {
  const words = spec.split(' ');
  const optional = words[words.length - 1] === '?';
  const dtype = words[0] === 'u32' || words[0] === 'any' ? words[0] : 'f32';
  const dims = words.slice(dtype === 'f32' ? 0 : 1, optional ? -1 : undefined);
  if (dims[0] !== 'R')
    throw new ShapeError(
      `${spec}: the first dimension is ${dims[0] ?? 'missing'}, expected R; write R, the replicas, in front`,
    );
  return { dims: dims.slice(1), dtype, optional };
}

/** Names of all dimensions, each once. */
export function dimensionNames(specs: Iterable<ParsedSpec>): Set<string> {
  const factors = [...specs].flatMap(({ dims }) => dims.flatMap((dim) => baseName(dim).split('*')));
  return new Set(factors.filter(isName));
}

const baseName = (dim: string) => dim.replace('...', '');
const isName = (factor: string) => /^[A-Za-z]\w*$/.test(factor);

/** Sizes by name; for those gathered by `...`, the dimensions too. */
export class Sizes extends Map<string, number> {
  readonly forms = new Map<string, readonly number[]>();
}

/** Adds the dimensions that follow from the tensor: those that neither an earlier one defined nor the operation computes. */
export function bindDimensions(
  sizes: Sizes,
  { dims }: ParsedSpec,
  tensor: Tensor,
  computed: ReadonlyMap<string, unknown>,
  refuse: Refuse,
): void {
  const open = (name: string) => isName(name) && !sizes.has(name) && !computed.has(name);
  if (!dims.some((dim) => open(baseName(dim)))) return;
  const shape = tensor.shape.slice(1);
  const rest = dims.findIndex((dim) => dim.startsWith('...'));
  const extra = shape.length - dims.length; // more dimensions than names: the extra ones belong to the rest
  if (rest < 0 ? extra !== 0 : extra < -1) refuse(`is [${tensor.shape}]; pass [${['R', ...dims].join(', ')}]`);
  dims.forEach((dim, i) => {
    const name = baseName(dim);
    if (!open(name)) return;
    const at = rest >= 0 && i > rest ? i + extra : i;
    const form = i === rest ? shape.slice(at, at + 1 + extra) : [shape[at]];
    if (i === rest) sizes.forms.set(name, form);
    sizes.set(
      name,
      form.reduce((a, b) => a * b, 1),
    );
  });
}

/** Refuses a tensor of another type, another number of replicas, or other sizes; another shape with as many elements is accepted. */
export function checkTensor(
  sizes: Sizes,
  { dims, dtype }: ParsedSpec,
  tensor: Tensor,
  replicas: number,
  refuse: Refuse,
): void {
  if (dtype !== 'any' && tensor.dtype !== dtype) refuse(`is ${tensor.dtype}; pass ${dtype}`);
  if (dims.includes('...') && tensor.shape[0] === replicas) return;
  const wanted = dims.map((dim) => sizeOf(baseName(dim), sizes)!);
  const shape = tensor.shape.slice(1);
  const whole = dims.every((dim) => !dim.startsWith('...')) && shape.length === wanted.length;
  const elements = wanted.reduce((a, b) => a * b, 1);
  const fits = whole ? wanted.every((n, i) => n === shape[i]) : elementsPerReplica(tensor) === elements;
  if (fits && tensor.shape[0] === replicas) return;
  // If the ranks agree, only the dimensions that differ are named.
  const list = dims.flatMap((dim, i) => {
    const form = (dim.startsWith('...') && sizes.forms.get(baseName(dim))) || [wanted[i]];
    return form.map((size) => ({ dim, size, total: wanted[i] }));
  });
  const alike = list.length === shape.length;
  const wrong = list.filter(({ dim, size }, i) => !/^\d+$/.test(dim) && !(alike && size === shape[i]));
  const told = new Set(wrong.map(({ dim, total }) => `, ${baseName(dim)} = ${total}`));
  refuse(`is [${tensor.shape}]${[...told].join('')}; pass [${[replicas, ...list.map(({ size }) => size)]}]`);
}

type Refuse = (why: string) => never;

/** A number, a size or a product of sizes; undefined while a size is unknown. */
function sizeOf(dim: string, sizes: ReadonlyMap<string, number>): number | undefined {
  let value = 1;
  for (const factor of dim.split('*')) {
    const size = /^\d+$/.test(factor) ? Number(factor) : sizes.get(factor);
    if (size === undefined) return undefined;
    value *= size;
  }
  return value;
}
