import { InputError } from '../core/errors.js';
import type { SafeArray, SafeFile, SafeSource, SafeTensor } from '../core/safetensors.js';
import type { Program } from '../plan/types.js';
import { type ParameterSpec, rowMajor } from './types.js';

type Floats = Float32Array | Float64Array;

/**
 * One replica's row of the parameter block as tensors with the PyTorch reference's names and shapes, to be encoded. row: [P]
 * (parameters, gradients or moments), offsets from the program.
 */
export function diskSources(
  parameters: readonly ParameterSpec[],
  program: Program,
  row: Floats,
): Map<string, SafeSource> {
  const dtype = row instanceof Float32Array ? 'F32' : 'F64';
  const sources = new Map<string, SafeSource>();
  for (const parameter of parameters) {
    const { offset } = program.tensors.get(parameter.name)!;
    for (const { name, shape, start, strides } of parameter.disk) {
      const fill = (out: SafeArray) =>
        copy(axesOf(shape, strides, rowMajor(shape)), row, offset + start, out as Floats, 0);
      sources.set(name, { dtype, shape, fill });
    }
  }
  return sources;
}

/** The same with their data. */
export function toDisk<A extends Floats>(
  parameters: readonly ParameterSpec[],
  program: Program,
  row: A,
): Map<string, { shape: readonly number[]; data: A }> {
  const tensors = new Map<string, { shape: readonly number[]; data: A }>();
  for (const [name, { shape, fill }] of diskSources(parameters, program, row)) {
    const data = new (row.constructor as new (n: number) => A)(shape.reduce((a, b) => a * b, 1));
    fill(data);
    tensors.set(name, { shape, data });
  }
  return tensors;
}

/** Fills a row [P] from tensors on disk. @throws InputError naming a missing tensor or both shapes. */
export function fromDisk(
  parameters: readonly ParameterSpec[],
  program: Program,
  file: SafeFile,
  row: Floats,
  prefix = '',
): void {
  for (const parameter of parameters) {
    const { offset } = program.tensors.get(parameter.name)!;
    for (const { name, shape, start, strides } of parameter.disk) {
      const tensor = file.tensors.get(prefix + name);
      if (!tensor)
        throw new InputError(
          `weights: no tensor ${prefix}${name}; the model expects [${shape}] there, pass the weights of the same model and sizes`,
        );
      if (tensor.shape.join() !== shape.join())
        throw new InputError(
          `weights: ${prefix}${name} is [${tensor.shape}], the model expects [${shape}]; pass the weights of the same model and sizes`,
        );
      copy(axesOf(shape, rowMajor(shape), strides), numbers(prefix + name, tensor), 0, row, offset + start);
    }
  }
}

/** In the metadata of our files with biases of hcnn, hlcn or fcn: the biases are where the authors' code has them. */
const BIAS_MARK = { biases: 'authors' };

export function biasMark(names: Iterable<string>): Record<string, string> {
  return hasBiases(names) ? BIAS_MARK : {};
}

/**
 * Earlier versions added every bias after the division by sqrt(fan-in), so that the same numbers gave a different network. Files
 * from PyTorch have neither mark nor experiment and are treated as the authors'. @throws InputError
 */
export function checkBiases({ metadata, tensors }: SafeFile, file: string): void {
  const ours = metadata.hash !== undefined || metadata.experiment !== undefined;
  if (!ours || metadata.biases === BIAS_MARK.biases || !hasBiases(tensors.keys())) return;
  throw new InputError(
    `${file}: an earlier version wrote it and added its biases elsewhere than the authors' code, so that its weights are another ` +
      'network here; train the experiment again in an empty folder, or use the version that wrote it',
  );
}

function hasBiases(names: Iterable<string>): boolean {
  for (const name of names) if (/(^|\/)hidden\.\d+\.0\.bias$/.test(name)) return true;
  return false;
}

function numbers(name: string, tensor: SafeTensor): Floats {
  if (tensor.data instanceof Float32Array || tensor.data instanceof Float64Array) return tensor.data;
  throw new InputError(`weights: ${name} is ${tensor.dtype}, the model expects numbers; pass F32, F64, F16 or BF16`);
}

/** from, to: distance in elements between neighbours along the axis. */
interface Axis {
  length: number;
  from: number;
  to: number;
}

/**
 * The axes of a shape with the strides on both sides, short ones first; neighbouring axes that are packed on both sides are
 * merged.
 */
function axesOf(shape: readonly number[], from: readonly number[], to: readonly number[]): Axis[] {
  const axes: Axis[] = [{ length: 1, from: 0, to: 0 }]; // a shape without axes has one element
  shape.forEach((length, a) => {
    const outer = axes[axes.length - 1];
    if (outer.from === length * from[a] && outer.to === length * to[a])
      axes[axes.length - 1] = { length: outer.length * length, from: from[a], to: to[a] };
    else axes.push({ length, from: from[a], to: to[a] });
  });
  return axes.sort((a, b) => a.length - b.length);
}

const BLOCK = 4096; // elements: the parts of a block that a transposition reads and writes fit in the first-level cache

/** Copies all elements, block by block: the longest axis is halved until a block is small. */
function copy(axes: readonly Axis[], from: Floats, fromStart: number, to: Floats, toStart: number): void {
  const longest = axes.reduce((a, b) => (b.length > a.length ? b : a));
  const elements = axes.reduce((product, { length }) => product * length, 1);
  if (elements === longest.length && longest.from === 1 && longest.to === 1)
    to.set(from.subarray(fromStart, fromStart + elements), toStart);
  else if (elements <= BLOCK) copyBlock(axes, 0, from, fromStart, to, toStart);
  else {
    const half = longest.length >> 1;
    const cut = (length: number) => axes.map((axis) => (axis === longest ? { ...axis, length } : axis));
    copy(cut(half), from, fromStart, to, toStart);
    copy(cut(longest.length - half), from, fromStart + half * longest.from, to, toStart + half * longest.to);
  }
}

function copyBlock(
  axes: readonly Axis[],
  depth: number,
  from: Floats,
  fromStart: number,
  to: Floats,
  toStart: number,
): void {
  const { length, from: fromStride, to: toStride } = axes[depth];
  if (depth === axes.length - 1)
    for (let i = 0; i < length; i++) to[toStart + i * toStride] = from[fromStart + i * fromStride];
  else
    for (let i = 0; i < length; i++)
      copyBlock(axes, depth + 1, from, fromStart + i * fromStride, to, toStart + i * toStride);
}
