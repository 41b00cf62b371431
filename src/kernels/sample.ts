import sampleSource from '../../shaders/sample.wgsl';
import coreSource from '../../shaders/sample_core.wgsl';
import rowsSource from '../../shaders/sample_rows.wgsl';
import threefrySource from '../../shaders/threefry.wgsl';
import { CLOCK_WORDS } from '../core/clock.js';
import { ShapeError } from '../core/errors.js';
import { grammarImage } from '../core/grammar-image.js';
import { makeRules, type Rules } from '../core/rules.js';
import { SOURCE_WORDS, type Source, sourceWords } from '../core/sample-source.js';
import { streamKey } from '../core/threefry.js';
import { CHANGE_WORDS, changeWords, type TreeChange } from '../core/tree-change.js';
import { type AdapterTraits, linearGrid, read, variantOf, write } from '../gpu/dispatch.js';
import { opaqueBounds } from '../gpu/unroll.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/sample.js';
import { at, partsFor, stride } from '../wasm/command.js';
import type { KernelCase, KernelSpec } from './types.js';

export interface SampleOptions {
  label: string;
  s: number; // branching factor
  L: number; // depth
  grammar: Tensor; // u32 [R, G]: grammarImage(rules) of each replica, padded to the longest
  source: Tensor; // u32 [R, 16]: sourceWords(source)
  clock: Tensor; // u32 [R, 8]: the sample counter of src/core/clock.ts, not advanced here
  change?: Tensor; // u32 [R, 6]: changeWords(...), or zeros for none
  tokens: Tensor; // u32 [R, B, s^L]
  roots?: Tensor; // u32 [R, B], root symbols (the class)
  hidden?: Tensor; // u32 [R, B, nodes], all symbols above the tokens, root first, level by level
  /** Every source is a stream without epochs, whatever is written to it: less to compile. Default: any. */
  plain?: boolean;
  skip?: number; // added to the counter: batch k of an accumulated step starts at k * B
}

/** Adds a batch of sentences, sample counter + skip + row. Overwrites its outputs. @throws ShapeError */
export function sample(plan: PlanBuilder, o: SampleOptions): void {
  const d = o.s ** o.L;
  const nodes = (d - 1) / (o.s - 1);
  const batch = o.tokens.shape[1];
  const { grammar, source, clock, change, tokens, roots, hidden } = o;
  const wanted: [string, Tensor | undefined, number][] = [
    ['source', source, SOURCE_WORDS],
    ['clock', clock, CLOCK_WORDS],
    ['change', change, CHANGE_WORDS],
    ['tokens', tokens, batch * d],
    ['roots', roots, batch],
    ['hidden', hidden, batch * nodes],
    ['grammar', grammar, elementsPerReplica(grammar)],
  ];
  for (const [name, tensor, elements] of wanted) {
    if (!tensor) continue;
    if (tensor.dtype !== 'u32') throw new ShapeError(`sample (${o.label}): ${name} is ${tensor.dtype}; pass u32`);
    if (elementsPerReplica(tensor) !== elements)
      throw new ShapeError(`sample (${o.label}): ${name} [${tensor.shape}]; pass ${elements} words a replica`);
  }
  const inputs: Record<string, Tensor> = { grammar, source, clock, ...(change && { change }) };
  const outputs: Record<string, Tensor> = { tokens, ...(roots && { roots }), ...(hidden && { hidden }) };
  plan.call({
    op: 'sample',
    label: o.label,
    inputs,
    outputs,
    params: { batch, s: o.s, L: o.L, skip: o.skip ?? 0, plain: o.plain ?? false },
  });
}

/**
 * Which kernel runs: the choice in `tuned` under the operation's name, else rows (a thread a sentence) on the CPU and nodes (a
 * thread a node above the last) on a GPU. Two cores: rows compile on lavapipe in half the time of nodes and run there and on
 * SwiftShader as fast for 1024 sentences of 16 tokens of a stream, 2 to 4 times as fast for longer ones and permutations.
 */
export function sampleVariant(traits: AdapterTraits): 'nodes' | 'rows' {
  const tuned = traits.tuned?.get('sample');
  const usual = traits.software ? 'rows' : 'nodes';
  return variantOf(traits, 'sample', ['nodes', 'rows'], tuned === 'nodes' || tuned === 'rows' ? tuned : usual);
}

export const sampleKernel: KernelSpec = {
  op: 'sample',
  reference(call, views) {
    const words = (name: string, r: number) => views[name]?.data.subarray(r * views[name].stride) as Uint32Array;
    for (let r = 0; r < call.outputs.tokens.shape[0]; r++)
      reference.sample(
        { batch: Number(call.params.batch), skip: Number(call.params.skip) },
        words('grammar', r),
        words('source', r),
        words('clock', r),
        words('change', r),
        words('tokens', r),
        words('roots', r),
        words('hidden', r),
      );
  },
  webgpu(call, traits, scratch) {
    const { grammar, source, clock, change } = call.inputs;
    const { tokens, roots, hidden } = call.outputs;
    const { batch, s, L, skip } = call.params as { batch: number; s: number; L: number; skip: number };
    const units = s ** Math.max(0, L - 2); // a thread each, unless a sentence has one
    const rows = sampleVariant(traits) === 'rows';
    const [x, y] = linearGrid(Math.ceil(rows ? batch / 16 : (batch * units) / 64));
    const text = coreSource + (rows ? rowsSource : sampleSource);
    return [
      {
        shader: rows ? 'sample_rows' : 'sample',
        source: `${threefrySource}\n${opaqueBounds(traits.software, 'p.s')}${text}`,
        constants: { PLAIN: Number(call.params.plain), CHANGES: Number(!!change) },
        uniforms: [
          ...[batch, skip, s, L],
          ...[units, (s ** L - 1) / (s - 1), x, 0],
          ...[grammar.replicaStride, source.replicaStride, clock.replicaStride, change?.replicaStride ?? 0],
          ...[tokens.replicaStride, roots?.replicaStride ?? 0, hidden?.replicaStride ?? 0],
          Number(!!roots) + 2 * Number(!!hidden),
        ],
        bindings: [
          ...[read(grammar), read(source), read(clock), read(change)],
          // A buffer may be written through one binding only, so each missing output gets one of its own.
          ...[write(tokens), write(roots ?? scratch(0, [1, 64])), write(hidden ?? scratch(1, [1, 64]))],
        ],
        workgroups: [x, y, tokens.shape[0]],
      },
    ];
  },
  wasm(call) {
    const { grammar, source, clock, change } = call.inputs;
    const { tokens, roots, hidden } = call.outputs;
    const { batch, s, L, skip } = call.params as { batch: number; s: number; L: number; skip: number };
    const tree = (s ** (L + 1) - 1) / (s - 1);
    const rows = tokens.shape[0] * batch;
    return [
      {
        kernel: 'sample',
        words: [
          ...[grammar, source, clock, change, tokens, roots, hidden].map(at),
          ...[tokens.shape[0], batch, skip],
          ...[grammar, source, clock, change, tokens, roots, hidden].map(stride),
        ],
        parts: Math.min(rows, partsFor(20 * rows * s ** L)),
        // Digits, their redraw, two trees, and at most one random word per draw, each in words of 4 bytes.
        threadBytes: 4 * 6 * (tree + 2) + 256,
      },
    ];
  },
  cost(call) {
    const tokens = call.outputs.tokens.shape[0] * elementsPerReplica(call.outputs.tokens);
    return { flops: 0, bytes: 4 * tokens };
  },
  get cases() {
    madeCases ??= makeCases();
    return madeCases;
  },
};

let madeCases: readonly KernelCase[] | undefined;

/** When they are asked for: their grammars take 50 ms, which every start of the program would pay. */
const makeCases = () => [
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
    'permuted derivations, three quarters of 2^64', // both halves of a position have all 32 bits
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
];

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
        plain: !source.mode && !source.length,
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
