import source from '../../shaders/mask.wgsl';
import mulhiSource from '../../shaders/mulhi.wgsl';
import threefrySource from '../../shaders/threefry.wgsl';
import { CLOCK_WORDS } from '../core/clock.js';
import { MASK, type MaskLaw, maskWords } from '../core/masking.js';
import { streamKey } from '../core/threefry.js';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/mask.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';
import { clock as clockNames, mask as maskNames, wordConstants } from './shared/words.js';

/**
 * Hides tokens: in seen, masked tokens are replaced by `symbol`; counts is the number of the sentence's masked tokens at a masked
 * one, else 0; overwrites both. The mask is that of sentence number counter + skip + row, by law (maskWords) and keys of each
 * replica: src/core/masking.ts. The clock is not advanced here.
 */
export const mask = defineOperation({
  name: 'mask',
  inputs: {
    tokens: 'u32 R batch sentence',
    law: 'u32 R lawWords',
    keys: 'u32 R 2',
    clock: `u32 R ${CLOCK_WORDS}`,
  },
  outputs: { seen: 'u32 R batch sentence', counts: 'u32 R batch length' },
  params: {
    symbol: u32(), // written in place of a masked token
    firstToken: u32({ default: 0 }), // first token that may be masked; tokens before it stay visible
    skip: u32({ default: 0 }), // added to the counter: batch k of an accumulated step starts at k * B
  },
  check({ law, lawWords, length, firstToken, sentence }, refuse) {
    if (firstToken + length > sentence)
      refuse(`tokens ${firstToken} to ${firstToken + length} of rows of ${sentence}; pass counts for those there are`);
    if (lawWords !== MASK.places + length) refuse(`law is [${law.shape}]; pass [R, ${MASK.places + length}]`);
  },
  reference: ({ tokens, law, keys, clock, seen, counts }, p) =>
    reference.mask(p, tokens, law, keys, clock, seen, counts),
  webgpu({ params: { batch }, replicas, launch }) {
    const [x, y] = linearGrid(Math.ceil(batch / 64));
    const text = threefrySource + mulhiSource + wordConstants(clockNames, maskNames) + source;
    return [launch({ source: text, workgroups: [x, y, replicas] })];
  },
  wasm: {
    launch: ({ params: { batch, length }, replicas }) => [{ parts: partsFor(30 * replicas * batch * length) }],
  },
  cost: ({ batch, sentence, length }) => ({ flops: 0, bytes: 4 * batch * (2 * sentence + length) }),
  cases: () => [
    maskCase('any number', { least: 1, most: 9, places: new Array(9).fill(true) }, 9, 0),
    maskCase('a fixed number', { least: 3, most: 3, places: new Array(8).fill(true) }, 10, 2),
    maskCase('fixed places, half the context', { least: 2, most: 2, places: [false, true, false, true, false] }, 11, 6),
    maskCase('some of some places', { least: 1, most: 2, places: [true, false, true, false, true, true] }, 6, 0),
    maskCase('everything', { least: 4, most: 4, places: new Array(4).fill(true) }, 4, 0),
    maskCase('one token', { least: 1, most: 1, places: [true] }, 1, 0),
  ],
});

function maskCase(name: string, law: MaskLaw, sentence: number, firstToken: number): KernelCase {
  const words = maskWords(law);
  const batch = 75;
  return {
    name,
    replicas: 2,
    fill: {
      tokens: (_i, random) => Math.floor(random() * 7),
      law: (i) => words[i],
      keys: (i) => streamKey(9, 'mask')[i],
      clock: (i) => [0, 2 ** 32 - 9, 1, 0, 0, 0, 0, 0][i], // the counter wraps into its high word within the batch
      seen: () => 77,
      counts: () => 77,
    },
    rtol: 0, // the same bits
    atol: 0,
    build(plan) {
      const p = plan.program;
      mask(plan, {
        ...{ label: 'case', symbol: 7, firstToken, skip: 3 },
        tokens: p.persistent('tokens', [batch, sentence], 'u32'),
        law: p.persistent('law', [words.length], 'u32'),
        keys: p.persistent('keys', [2], 'u32'),
        clock: p.persistent('clock', [CLOCK_WORDS], 'u32'),
        seen: p.persistent('seen', [batch, sentence], 'u32'),
        counts: p.persistent('counts', [batch, law.places.length], 'u32'),
      });
    },
  };
}
