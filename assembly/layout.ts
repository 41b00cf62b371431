/** Byte offsets of the grammar image (src/core/grammar-image.ts) and of the source record (src/core/sample-source.ts). */
export const V: usize = 4;
export const N: usize = 8;
export const M: usize = 12;
export const S: usize = 16;
export const DEPTHS: usize = 20; // L
export const TOKENS: usize = 24;
export const BLOCKS: usize = 32;
export const NODES: usize = 36;
export const ROOT_THRESHOLDS: usize = 40;
export const SYMBOLS: usize = 44;
export const LEVELS: usize = 64;

export const LEVEL_BYTES: usize = 32;
export const WORD: usize = 4;
export const PER_WORD: usize = 8;
export const MULTIPLIERS: usize = 12;
export const THRESHOLDS: usize = 16;
export const RULES: usize = 20;
export const POSITIONS: usize = 24;
export const FIRST_NODE: usize = 28;

export const MODE: usize = 0;
export const KEY: usize = 4;
export const SIZE: usize = 12;
export const SIZE_BITS: usize = 20;
export const FIRST: usize = 24;
export const LENGTH: usize = 32;
export const LENGTH_BITS: usize = 36;
export const ORDERED: usize = 40;
export const ORDER_KEY: usize = 44;

// Record of a change to a tree: kind (0 none, 1 rule, 2 symbol), depth, position, different, key (2 words).
export const KIND: usize = 0;
export const CHANGE_DEPTH: usize = 4;
export const CHANGE_POSITION: usize = 8;
export const DIFFERENT: usize = 12;
export const CHANGE_KEY: usize = 16;

export function field(record: usize, offset: usize): u32 {
  return load<u32>(record + offset);
}
