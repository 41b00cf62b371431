/**
 * Threefry-2x32-20: a keyed bijection on pairs of 32-bit words, the only source of randomness in the project.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 * Twins: assembly/threefry.ts and shaders/threefry.wgsl give the same bits.
 */
export type Key = readonly [number, number]; // two u32 words

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];
const PARITY = 0x1bd11bda;

/** The two u32 output words for (key, counter). */
export function threefry(key: Key, c0: number, c1: number): [number, number] {
  const ks = [key[0] | 0, key[1] | 0, PARITY ^ key[0] ^ key[1]];
  let x0 = (c0 + ks[0]) | 0;
  let x1 = (c1 + ks[1]) | 0;
  for (let group = 0; group < 5; group++) {
    for (let i = 0; i < 4; i++) {
      const r = ROTATIONS[(group % 2) * 4 + i];
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << r) | (x1 >>> (32 - r))) ^ x0;
    }
    x0 = (x0 + ks[(group + 1) % 3]) | 0;
    x1 = (x1 + ks[(group + 2) % 3] + group + 1) | 0;
  }
  return [x0 >>> 0, x1 >>> 0];
}

/** The named random streams of an experiment. The numbers are part of the file format: never renumber. */
export const streams = { rules: 1, data: 2, init: 3, order: 4, dropout: 5, test: 6, measure: 7, generate: 8 } as const;
export type Stream = keyof typeof streams;

/** Key of a named stream. seed: integer 0 <= seed < 2^53; substream separates uses of one stream (replica, layer, ...). */
export function streamKey(seed: number, stream: Stream, substream = 0): Key {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  return threefry([low, high], streams[stream], substream);
}
