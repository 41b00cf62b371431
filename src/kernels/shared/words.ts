/**
 * Names for the words of buffers that the host fills and several kernels read: WGSL constants such as `CLOCK_STEP`, and `CLOCK_WORDS` for
 * the size of a record.
 */
import {
  CLOCK_WORDS,
  clockWords,
  HYPER_WORDS,
  hyperWords,
  PACE_WORDS,
  paceWords,
  SCALING_WORDS,
  scalingWords,
} from '../../core/clock.js';
import { DEPTH, DEPTH_WORDS, HEADER, HELD, HELD_WORDS } from '../../core/grammarImage.js';
import { MASK } from '../../core/masking.js';
import { SOURCE, SOURCE_WORDS } from '../../core/sampleSource.js';
import { CHANGE, CHANGE_WORDS } from '../../core/treeChange.js';

/** A record: its words by name, and their number. */
export interface Words {
  readonly prefix: string;
  readonly at: Readonly<Record<string, number>>;
  readonly count?: number;
}

export const clock: Words = { prefix: 'CLOCK', at: clockWords, count: CLOCK_WORDS };
export const hyper: Words = { prefix: 'HYPER', at: hyperWords, count: HYPER_WORDS };
export const pace: Words = { prefix: 'PACE', at: paceWords, count: PACE_WORDS };
export const scaling: Words = { prefix: 'SCALING', at: scalingWords, count: SCALING_WORDS };
export const header: Words = { prefix: 'HEADER', at: HEADER };
export const depth: Words = { prefix: 'DEPTH', at: DEPTH, count: DEPTH_WORDS };
export const held: Words = { prefix: 'HELD', at: HELD, count: HELD_WORDS };
export const source: Words = { prefix: 'SOURCE', at: SOURCE, count: SOURCE_WORDS };
export const mask: Words = { prefix: 'MASK', at: MASK };
export const change: Words = { prefix: 'CHANGE', at: CHANGE, count: CHANGE_WORDS };

/** rootThresholds -> ROOT_THRESHOLDS */
export function constantName(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
}

/** The names of some records as WGSL constants. */
export function wordConstants(...records: readonly Words[]): string {
  return records
    .flatMap(({ prefix, at, count }) => [
      ...Object.entries(at).map(([name, word]) => `const ${prefix}_${constantName(name)} = ${word}u;\n`),
      ...(count === undefined ? [] : [`const ${prefix}_WORDS = ${count}u;\n`]),
    ])
    .join('');
}
