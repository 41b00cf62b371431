/**
 * The general sampler: any grammar, whole trees or tokens, streams or permutations, interventions. It reads the grammar image of
 * src/core/grammarImage.ts and the source of src/core/sampleSource.ts, and matches src/reference/sample.ts and
 * shaders/sample.wgsl bit for bit. Nothing is allocated: the caller supplies every pointer.
 */

import {
  CHANGE_DEPTH,
  CHANGE_DIFFERENT,
  CHANGE_KEY,
  CHANGE_KIND,
  CHANGE_POSITION,
  DEPTH_FIRST_NODE,
  DEPTH_POSITIONS,
  DEPTH_RECORD,
  DEPTH_RULES,
  DEPTH_THRESHOLDS,
  HEADER_BLOCKS,
  HEADER_DEPTHS,
  HEADER_L,
  HEADER_M,
  HEADER_N,
  HEADER_NODES,
  HEADER_ROOT_THRESHOLDS,
  HEADER_S,
  HEADER_SYMBOLS,
  HEADER_TOKENS,
  HEADER_V,
  HELD_ALLOWED,
  HELD_DEPTH,
  HELD_ORDER,
  SOURCE_BITS,
  SOURCE_KEY,
  SOURCE_MODE,
} from '../build/assembly/words';
import { freshDigit, heldRecord, numberDigits, permute, sourceSize, unmixIndex, wordDigits } from './draws';
import { threefry } from './threefry';
import { copyWords, field } from './words';

const INTERVENTION_BLOCK: u32 = 0xffff;

/** Bytes of scratch that sampleGeneral needs for a grammar image. */
export function generalScratchBytes(image: usize): u32 {
  return (
    4 * (2 * (1 + field(image, HEADER_NODES)) + field(image, HEADER_SYMBOLS) + 2 * field(image, HEADER_BLOCKS)) + 8
  );
}

/**
 * Samples `count` sentences starting at counter (startHigh, startLow). Any output may be 0 = not requested. tokens: [count, s^L],
 * u8 if tokenBytes is 1 (needs v <= 256), else u32. symbols: u32 [count, nodes + s^L], root first, level by level. rules: u32
 * [count, nodes]. source, change: records of 16 and 6 words; change may be 0.
 */
export function sampleGeneral(
  image: usize,
  source: usize,
  change: usize,
  startLow: u32,
  startHigh: u32,
  count: u32,
  tokens: usize,
  tokenBytes: u32,
  symbols: usize,
  rules: usize,
  scratch: usize,
): void {
  const nodes = field(image, HEADER_NODES);
  const d = field(image, HEADER_TOKENS);
  const treeSize = field(image, HEADER_SYMBOLS);
  const key0 = field(source, SOURCE_KEY);
  const key1 = field(source, SOURCE_KEY + 4);
  const words = scratch;
  const digits = words + 8 * field(image, HEADER_BLOCKS);
  const redraw = digits + 4 * (1 + nodes);
  const tree = redraw + 4 * (1 + nodes);
  let g = ((<u64>startHigh) << 32) | startLow;
  for (let i: u32 = 0; i < count; i++, g++) {
    const place = unmixIndex(source, g);
    if (field(source, SOURCE_MODE))
      numberDigits(image, digits, permute(key0, key1, sourceSize(source), field(source, SOURCE_BITS), place));
    else wordDigits(image, key0, key1, place, words, digits);
    if (change && field(change, CHANGE_KIND)) {
      wordDigits(image, field(change, CHANGE_KEY), field(change, CHANGE_KEY + 4), g, words, redraw);
      applyChange(image, change, g, digits, redraw);
    }
    expand(image, change, digits, redraw, tree);
    if (tokens) {
      const from = tree + 4 * nodes;
      if (tokenBytes == 1) {
        for (let t: u32 = 0; t < d; t++) store<u8>(tokens + t, <u8>load<u32>(from + 4 * t));
        tokens += d;
      } else {
        copyWords(tokens, from, d);
        tokens += 4 * d;
      }
    }
    if (symbols) {
      copyWords(symbols, tree, treeSize);
      symbols += 4 * treeSize;
    }
    if (rules) {
      copyWords(rules, digits + 4, nodes);
      rules += 4 * nodes;
    }
  }
}

/** Writes the rules of the changed tree into digits, and the word for a new symbol into the first word of redraw. */
function applyChange(image: usize, change: usize, g: u64, digits: usize, redraw: usize): void {
  const counterHigh = ((<u32>(g >> 32)) << 16) | INTERVENTION_BLOCK;
  const fresh = threefry(field(change, CHANGE_KEY), field(change, CHANGE_KEY + 4), <u32>g, counterHigh);
  store<u32>(redraw, <u32>fresh);
  const changeDepth = field(change, CHANGE_DEPTH);
  const depth = field(image, HEADER_L);
  const held = heldRecord(image);
  let span: u32 = 1; // nodes of the level below the changed one
  for (let l = changeDepth; l < depth; l++) {
    const record = image + HEADER_DEPTHS + DEPTH_RECORD * l;
    const from = 4 * (1 + field(record, DEPTH_FIRST_NODE) + field(change, CHANGE_POSITION) * span);
    if (l == changeDepth) {
      const old: i32 =
        field(change, CHANGE_KIND) == 1 && field(change, CHANGE_DIFFERENT) ? <i32>load<u32>(digits + from) : -1;
      const radix = held && field(held, HELD_DEPTH) == l ? field(held, HELD_ALLOWED) : field(image, HEADER_M);
      store<u32>(digits + from, freshDigit(image, field(record, DEPTH_THRESHOLDS), radix, <u32>(fresh >> 32), old));
    } else copyWords(digits + from, redraw + from, span);
    span *= field(image, HEADER_S);
  }
}

/** Top-down expansion of digits into the symbols of the whole tree. */
function expand(image: usize, change: usize, digits: usize, redraw: usize, tree: usize): void {
  const s = field(image, HEADER_S);
  const m = field(image, HEADER_M);
  const depth = field(image, HEADER_L);
  const symbolDepth: u32 = change && field(change, CHANGE_KIND) == 2 ? field(change, CHANGE_DEPTH) : 0xffffffff;
  const held = heldRecord(image);
  store<u32>(tree, load<u32>(digits));
  let current = tree;
  digits += 4;
  for (let l: u32 = 0; l <= depth; l++) {
    if (l == symbolDepth) {
      const at = current + 4 * field(change, CHANGE_POSITION);
      const old: i32 = field(change, CHANGE_DIFFERENT) ? <i32>load<u32>(at) : -1;
      const radix = l == 0 ? field(image, HEADER_N) : field(image, HEADER_V);
      const thresholds = l == 0 ? field(image, HEADER_ROOT_THRESHOLDS) : 0;
      store<u32>(at, freshDigit(image, thresholds, radix, load<u32>(redraw), old));
    }
    if (l == depth) break;
    const record = image + HEADER_DEPTHS + DEPTH_RECORD * l;
    const positions = field(record, DEPTH_POSITIONS);
    const table = image + 4 * field(record, DEPTH_RULES);
    let next = current + 4 * positions;
    if (held && field(held, HELD_DEPTH) == l) {
      const above = 4 * (positions / s); // bytes of the parents, which are just before
      const order = image + 4 * field(held, HELD_ORDER);
      for (let p: u32 = 0; p < positions; p++) {
        const parent = 4 * (p / s);
        const rule = load<u32>(current - above + parent) * m + load<u32>(digits - above + parent);
        store<u32>(digits + 4 * p, load<u32>(order + 4 * ((rule * s + (p % s)) * m + load<u32>(digits + 4 * p))));
      }
    }
    for (let p: u32 = 0; p < positions; p++, current += 4, digits += 4) {
      let from = table + 4 * s * (load<u32>(current) * m + load<u32>(digits));
      for (let i: u32 = 0; i < s; i++, from += 4, next += 4) store<u32>(next, load<u32>(from));
    }
  }
}
