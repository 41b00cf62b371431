import mulhiSource from '../../shaders/mulhi.wgsl';
import sampleSource from '../../shaders/sample.wgsl';
import coreSource from '../../shaders/sample_core.wgsl';
import rowsSource from '../../shaders/sample_rows.wgsl';
import threefrySource from '../../shaders/threefry.wgsl';
import { CLOCK_WORDS } from '../core/clock.js';
import { grammarImage } from '../core/grammarImage.js';
import { heldLanguage } from '../core/holdout.js';
import { type HeldLanguage, makeRules, type Rules } from '../core/rules.js';
import { SOURCE_WORDS, type Source, sourceWords } from '../core/sampleSource.js';
import { streamKey } from '../core/threefry.js';
import { CHANGE_WORDS, changeWords, type TreeChange } from '../core/treeChange.js';
import { type AdapterTraits, linearGrid, variantOf, write } from '../gpu/dispatch.js';
import { opaqueBounds } from '../gpu/unroll.js';
import { countDerivations } from '../grammar/derivations.js';
import * as reference from '../reference/sample.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { bool, u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';
import {
  change as changeNames,
  clock as clockNames,
  depth,
  header,
  held,
  source as sourceNames,
  wordConstants,
} from './shared/words.js';

/**
 * Which kernel runs: the choice in `tuned` under the operation's name, otherwise rows (one thread per sentence) on the CPU and
 * nodes (one thread per node above the last level) on a GPU. Two cores: rows compile on lavapipe in half the time of nodes; there
 * and on SwiftShader they run as fast for 1024 sentences of 16 tokens of a stream, and 2 to 4 times as fast for longer ones and
 * permutations.
 */
export function sampleVariant(traits: AdapterTraits): 'nodes' | 'rows' {
  const tuned = traits.tuned?.get('sample');
  const usual = traits.software ? 'rows' : 'nodes';
  return variantOf(traits, 'sample', ['nodes', 'rows'], tuned === 'nodes' || tuned === 'rows' ? tuned : usual);
}

/**
 * A batch of sentences, sample counter + skip + row; overwrites its outputs. grammar: grammarImage(rules) of each replica, padded to
 * the longest; source: sourceWords(source); clock: the sample counter, not advanced here; change: changeWords(...), or zeros for
 * none. roots: root symbols (the class); hidden: all symbols above the tokens, root first, level by level.
 */
export const sample = defineOperation({
  name: 'sample',
  inputs: {
    grammar: 'u32 R ...',
    source: `u32 R ${SOURCE_WORDS}`,
    clock: `u32 R ${CLOCK_WORDS}`,
    change: `u32 R ${CHANGE_WORDS} ?`,
  },
  outputs: { tokens: 'u32 R batch sentence', roots: 'u32 R batch ?', hidden: 'u32 R batch nodes ?' },
  params: {
    s: u32({ least: 2 }), // branching factor
    L: u32({ least: 1 }), // depth
    skip: u32({ default: 0 }), // added to the counter: batch k of an accumulated step starts at k * B
    endless: bool(), // every source is a stream without epochs, which leaves less to compile
    holds: bool(), // some grammar has held-out pairs
  },
  sizes: { sentence: ({ s, L }) => s ** L, nodes: ({ s, L }) => (s ** L - 1) / (s - 1) },
  reference: ({ grammar, source, clock, change, tokens, roots, hidden }, p) =>
    reference.sample(p, grammar, source, clock, change, tokens, roots, hidden),
  webgpu({ inputs, outputs, params: { batch, s, L, endless, holds }, replicas, launch }, traits, scratch) {
    const { grammar, source, clock, change } = inputs;
    const { tokens, roots, hidden } = outputs;
    const units = s ** Math.max(0, L - 2); // one thread per unit; a short sentence is a single unit
    const rows = sampleVariant(traits) === 'rows';
    const [x, y] = linearGrid(Math.ceil(rows ? batch / 16 : (batch * units) / 64));
    const text = names + mulhiSource + coreSource + (rows ? rowsSource : sampleSource);
    return [
      launch({
        shader: rows ? 'sample_rows' : 'sample',
        source: `${threefrySource}\n${opaqueBounds(traits.software, 'p.s')}${text}`,
        constants: { ENDLESS: Number(endless), CHANGES: Number(!!change), HOLDS: Number(holds) },
        words: { units, gridX: x, outputs: Number(!!roots) + 2 * Number(!!hidden) },
        bind: {
          ...{ grammar, source, clock, change },
          // A buffer may be written through only one binding, so each missing output gets a separate buffer.
          ...{ tokens, roots: roots ?? write(scratch(0, [1, 64])), hidden: hidden ?? write(scratch(1, [1, 64])) },
        },
        workgroups: [x, y, replicas],
      }),
    ];
  },
  wasm: {
    scratch: true,
    launch({ params: { batch, s, L }, replicas }) {
      const tree = (s ** (L + 1) - 1) / (s - 1);
      const rows = replicas * batch;
      // Digits, their redraw, two trees, and at most one random word per draw, each in words of 4 bytes.
      return [{ parts: Math.min(rows, partsFor(20 * rows * s ** L)), threadBytes: 4 * 6 * (tree + 2) + 256 }];
    },
  },
  cost: ({ batch, sentence }) => ({ flops: 0, bytes: 4 * batch * sentence }),
  cases: makeCases,
});

const names = wordConstants(clockNames, header, depth, held, sourceNames, changeNames);

/** Their grammars take 50 ms, which every start of the program would have to spend. */
function makeCases(): KernelCase[] {
  return [
    sampleCase('uniform', makeRules({ v: 7, n: 5, m: 3, s: 2, L: 4 }, 1), {}, undefined, 0),
    sampleCase(
      'a stream told at run time',
      makeRules({ v: 7, n: 5, m: 3, s: 2, L: 4 }, 1),
      { mode: 'stream' },
      undefined,
      0,
    ),
    sampleCase('one level', makeRules({ v: 9, n: 9, m: 7, s: 2, L: 1 }, 6), {}, undefined, 2),
    sampleCase(
      'one level of a permutation, the symbol changed',
      makeRules({ v: 9, n: 20, m: 4, s: 3, L: 1 }, 7),
      { mode: 'permutation', size: 80n, length: 50, orderKey: [7, 8] },
      { kind: 'symbol', depth: 0, position: 0, different: true },
      0,
    ),
    sampleCase('large m', makeRules({ v: 300, n: 4, m: 70, s: 2, L: 3 }, 2), { first: 2 ** 40 }, undefined, 3),
    sampleCase(
      'Zipf, weighted roots, a rule changed',
      makeRules({ v: 5, n: 3, m: 4, s: 3, L: 3 }, 3, { rootPrior: [0.2, 0, 0.8], ruleProbabilities: { zipf: 0.5 } }),
      {},
      { kind: 'rule', depth: 1, position: 2, different: true },
      0,
    ),
    sampleCase(
      'permuted derivations, a symbol changed',
      makeRules({ v: 6, n: 5, m: 3, s: 2, L: 3 }, 4),
      { mode: 'permutation', size: 5n * 3n ** 7n },
      { kind: 'symbol', depth: 2, position: 1, different: true },
      0,
    ),
    sampleCase(
      'permuted derivations, three quarters of 2^64', // both halves of a position use all 32 bits
      makeRules({ v: 16, n: 3, m: 4, s: 2, L: 5 }, 8),
      { mode: 'permutation', size: 3n * 4n ** 31n },
      undefined,
      0,
    ),
    sampleCase(
      'ordered epochs of a range',
      makeRules({ v: 16, n: 16, m: 4, s: 2, L: 4 }, 5),
      { mode: 'permutation', size: 2n ** 34n, first: 5, length: 11, orderKey: [3, 4] },
      { kind: 'symbol', depth: 4, position: 9, different: false },
      2,
    ),
    ...heldCases(),
  ];
}

function heldCases(): KernelCase[] {
  const wide = makeRules({ v: 5, n: 4, m: 4, s: 2, L: 4 }, 10);
  const low = (language: HeldLanguage) => heldLanguage(wide, { level: 2, fraction: 0.25 }, language);
  const three = makeRules({ v: 4, n: 3, m: 3, s: 3, L: 3 }, 11);
  const high = (language: HeldLanguage) => heldLanguage(three, { level: 3, fraction: 0.6 }, language);
  const many = heldLanguage(makeRules({ v: 300, n: 4, m: 70, s: 2, L: 3 }, 2), { level: 2, fraction: 0.5 }, 'with');
  const symbol = { kind: 'symbol', different: true } as const;
  const permuted = (rules: Rules) => ({ mode: 'permutation', size: countDerivations(rules) }) as const;
  return [
    sampleCase('pairs held out', low('without'), {}, { ...symbol, depth: 3, position: 5 }, 0),
    sampleCase(
      'pairs held out, a rule of the restricted depth changed',
      high('without'),
      permuted(high('without')),
      { kind: 'rule', depth: 1, position: 2, different: false },
      0,
    ),
    sampleCase(
      'pairs held out, numbered, a rule above changed',
      low('without'),
      { ...permuted(low('without')), first: 5, length: 30, orderKey: [3, 4] },
      { kind: 'rule', depth: 2, position: 1, different: true },
      0,
    ),
    sampleCase('sentences with held-out pairs', low('with'), {}, undefined, 2),
    sampleCase('sentences with held-out pairs, numbered', low('with'), permuted(low('with')), undefined, 0),
    sampleCase('held-out pairs in the context alone', high('context'), permuted(high('context')), undefined, 0),
    sampleCase('a held-out pair above the last token', high('last'), permuted(high('last')), undefined, 2),
    sampleCase('held-out pairs, large m', many, {}, undefined, 0),
  ];
}

function sampleCase(
  name: string,
  rules: Rules,
  source: Partial<Source>,
  change: Omit<TreeChange, 'key'> | undefined,
  skip: number,
): KernelCase {
  const image = grammarImage(rules);
  const key = streamKey(9, 'data');
  const words = sourceWords({ mode: 'stream', key, size: 0n, first: 0, length: 0, ...source });
  const changed = change && changeWords(rules, { ...change, key: streamKey(9, 'measure') });
  const { s, L } = rules;
  const batch = 21;
  return {
    name,
    replicas: 2,
    fill: {
      grammar: (i) => image[i],
      source: (i) => words[i],
      change: (i) => changed![i],
      // The counter wraps into its high word within the batch; permuted places stay below the number of derivations.
      clock: (i) => (source.mode === 'permutation' ? [0, 70, 0, 0, 0, 0, 0, 0] : [0, 2 ** 32 - 9, 1, 0, 0, 0, 0, 0])[i],
      tokens: () => 77,
      roots: () => 77,
      hidden: () => 77,
    },
    rtol: 0, // the same bits
    atol: 0,
    build(plan) {
      const p = plan.program;
      sample(plan, {
        label: 'case',
        endless: !source.mode && !source.length,
        holds: rules.heldPairs !== undefined,
        s,
        L,
        skip,
        grammar: p.persistent('grammar', [image.length], 'u32'),
        source: p.persistent('source', [SOURCE_WORDS], 'u32'),
        clock: p.persistent('clock', [CLOCK_WORDS], 'u32'),
        change: change && p.persistent('change', [CHANGE_WORDS], 'u32'),
        tokens: p.persistent('tokens', [batch, s ** L], 'u32'),
        roots: skip ? p.persistent('roots', [batch], 'u32') : undefined,
        hidden: change && p.persistent('hidden', [batch, (s ** L - 1) / (s - 1)], 'u32'),
      });
    },
  };
}
