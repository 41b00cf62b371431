/**
 * Threefry-2x32-20: a keyed bijection on pairs of 32-bit words, the only source of randomness in the project.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 * Twins: assembly/threefry.ts and shaders/threefry.wgsl give the same bits.
 */
export type Key = readonly [number, number]; // two u32 words

const PARITY = 0x1bd11bda;
const words = new Uint32Array(2);

/** The two u32 output words for (key, counter). */
export function threefry(key: Key, c0: number, c1: number): [number, number] {
  threefryInto(words, key, c0, c1);
  return [words[0], words[1]];
}

/** The same words, written to out[0] and out[1]: for millions of them, since it allocates nothing. */
export function threefryInto(out: Uint32Array, key: Key, c0: number, c1: number): void {
  let k0 = key[0] | 0;
  let k1 = key[1] | 0;
  let k2 = PARITY ^ k0 ^ k1;
  let x0 = (c0 + k0) | 0;
  let x1 = (c1 + k1) | 0;
  for (let group = 1; group <= 5; group++) {
    const odd = group & 1;
    x0 = (x0 + x1) | 0;
    x1 = rotl(x1, odd ? 13 : 17) ^ x0;
    x0 = (x0 + x1) | 0;
    x1 = rotl(x1, odd ? 15 : 29) ^ x0;
    x0 = (x0 + x1) | 0;
    x1 = rotl(x1, odd ? 26 : 16) ^ x0;
    x0 = (x0 + x1) | 0;
    x1 = rotl(x1, odd ? 6 : 24) ^ x0;
    const first = k0;
    k0 = k1;
    k1 = k2;
    k2 = first;
    x0 = (x0 + k0) | 0;
    x1 = (x1 + k1 + group) | 0;
  }
  out[0] = x0;
  out[1] = x1;
}

function rotl(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

/** The named random streams of an experiment. The numbers are part of the file format: never renumber. */
const streams = {
  rules: 1,
  data: 2,
  init: 3,
  order: 4,
  dropout: 5,
  test: 6,
  measure: 7,
  generate: 8,
  validation: 9,
  posterior: 10,
  mask: 11,
  shuffle: 12,
  holdout: 13,
} as const;
export type Stream = keyof typeof streams;

/** Key of a named stream. seed: integer 0 <= seed < 2^53; substream separates uses of one stream (replica, layer, ...). */
export function streamKey(seed: number, stream: Stream, substream = 0): Key {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  return threefry([low, high], streams[stream], substream);
}
