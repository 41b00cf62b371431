/**
 * Arithmetic of WebAssembly's multiply-adds. `plain`: product and sum are each rounded. `relaxed`: relaxed SIMD's multiply-add,
 * rounded once. The bits of a run depend on it, so a run keeps the one it began with.
 */
import { EngineError, InputError } from './errors.js';

export const simdNames = ['plain', 'relaxed'] as const;
export type Simd = (typeof simdNames)[number];

export const isSimd = (value: unknown): value is Simd => (simdNames as readonly unknown[]).includes(value);

/** @throws InputError unless it names an arithmetic; undefined stays undefined */
export function checkSimd(value: unknown, where = 'simd'): Simd | undefined {
  if (value === undefined || isSimd(value)) return value;
  throw new InputError(`${where}: got ${JSON.stringify(value)}; pass ${simdNames.join(' or ')}`);
}

/** (module (memory (export "m") 1) (func (export "f") stores a b + c at byte 48, for vectors of four f32 at bytes 0, 16 and 32)) */
const probe = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // \0asm, version 1
  ...[1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1], // a type () -> (), a function of it, a memory of one page
  ...[7, 9, 2, 1, 0x6d, 2, 0, 1, 0x66, 0, 0], // exports: memory m, function f
  ...[0x0a, 0x1f, 1, 0x1d, 0], // the code of one function, without local variables
  ...[0x41, 0], // i32.const 0, for the store
  ...[0x41, 0, 0xfd, 0, 4, 0x00, 0x41, 0, 0xfd, 0, 4, 0x10, 0x41, 0, 0xfd, 0, 4, 0x20], // i32.const 0, v128.load: three times
  ...[0xfd, 0x85, 2], // f32x4.relaxed_madd
  ...[0xfd, 0x0b, 4, 0x30, 0x0b], // v128.store; end
]);

/** Whether the four lanes a b + c that `multiplyAdd` computes were rounded once. The standard allows an engine to round twice. */
export function isFused(
  multiplyAdd: (a: Float32Array, b: Float32Array, c: Float32Array) => ArrayLike<number>,
): boolean {
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24: the last term is half a unit in the last place, and is lost if the product is rounded.
  const lanes = [1, -2, 4, -8];
  const a = Float32Array.from(lanes, (x) => x * (1 + 2 ** -12));
  const b = new Float32Array(4).fill(1 + 2 ** -12);
  const c = Float32Array.from(lanes, (x) => -x * (1 + 2 ** -11));
  const sums = multiplyAdd(a, b, c);
  return lanes.every((x, i) => sums[i] === x * 2 ** -24);
}

let answer: boolean | undefined;

/** Whether this engine has relaxed SIMD, switched on, and fuses its multiply-add on this CPU. */
export function hasRelaxedSimd(): boolean {
  answer ??= probed();
  return answer;
}

function probed(): boolean {
  try {
    const { m, f } = new WebAssembly.Instance(new WebAssembly.Module(probe)).exports as unknown as {
      m: WebAssembly.Memory;
      f(): void;
    };
    const words = new Float32Array(m.buffer);
    return isFused((...vectors) => {
      for (const [i, vector] of vectors.entries()) words.set(vector, 4 * i);
      f();
      return words.subarray(12, 16);
    });
  } catch {
    return false; // no relaxed SIMD, or no WebAssembly at all: compiling the plain modules reports that
  }
}

/** @param why what needs it. @throws EngineError if this engine lacks relaxed SIMD */
export function requireSimd(simd: Simd, why: string): void {
  if (simd === 'relaxed' && !hasRelaxedSimd())
    throw new EngineError(
      `${why} relaxed SIMD with a fused multiply-add, which this engine or CPU lacks; use Node 22, Deno 2.9, Chrome 114 ` +
        'or newer on a CPU with FMA (Node 20: --experimental-wasm-relaxed-simd)',
    );
}
