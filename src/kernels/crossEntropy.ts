import source from '../../shaders/crossEntropy.wgsl';
import coreSource from '../../shaders/crossEntropy_core.wgsl';
import quadsSource from '../../shaders/crossEntropy_quads.wgsl';
import rowsSource from '../../shaders/crossEntropy_rows.wgsl';
import recordSource from '../../shaders/crossEntropyRecord.wgsl';
import { SCALING_WORDS, scalingWords, UNIT_EXPONENT } from '../core/clock.js';
import { read, variantOf, write } from '../gpu/dispatch.js';
import { constantLines, opaqueBounds, unroll, unrolledLoads } from '../gpu/unroll.js';
import * as reference from '../reference/crossEntropy.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';
import { scaling as scalingNames, wordConstants } from './shared/words.js';

/**
 * Softmax cross-entropy (mean over rows, nats), its gradient and the accuracy. Row (b, t) predicts targets[b, targetOffset + t].
 * counts: for each row, how many rows of its sentence count, or 0 if the row does not: means are over sentences, of means over
 * their rows that count. Slot clock[clockWord] % ring of record gets mean loss and accuracy; dLogits is overwritten; it is left
 * out in evaluations. scaling: dLogits is multiplied by the factor that it contains.
 */
export const crossEntropy = defineOperation({
  name: 'crossEntropy',
  inputs: {
    logits: 'R batch ...rowsPerSentence classes',
    targets: 'u32 R batch ...targetRow',
    counts: 'u32 R batch ...rowsPerSentence ?',
    clock: 'u32 R ...words',
    scaling: `u32 R ${SCALING_WORDS} ?`,
  },
  outputs: { record: 'R ring 2', dLogits: 'R batch ...rowsPerSentence classes ?' },
  params: { targetOffset: u32({ default: 0 }), clockWord: u32() },
  sizes: {
    rows: ({ batch, rowsPerSentence }) => batch * rowsPerSentence,
    terms: ({ counts, batch, rowsPerSentence }) => (counts ? batch : batch * rowsPerSentence), // of the mean
  },
  check({ logits, targets, clock, targetOffset, targetRow, rowsPerSentence, clockWord, words }, refuse) {
    if (targetOffset + rowsPerSentence > targetRow)
      refuse(`targets [${targets.shape}] from ${targetOffset} on for logits [${logits.shape}]; pass a target per row`);
    if (clockWord >= words) refuse(`clock [${clock.shape}] has no word ${clockWord}`);
  },
  reference({ logits, targets, counts, clock, record, dLogits, scaling }, p) {
    const targetOf = (row: number) => {
      const sentence = Math.floor(row / p.rowsPerSentence);
      return targets[sentence * p.targetRow + p.targetOffset + (row % p.rowsPerSentence)];
    };
    const shareOf = (row: number) => (counts ? (counts[row] ? 1 / counts[row] : 0) : 1);
    const { loss, accuracy } = reference.crossEntropy(p, logits, targetOf, shareOf, dLogits);
    const factor = scaling ? 2 ** (scaling[scalingWords.exponent] - UNIT_EXPONENT) : 1;
    dLogits?.forEach((x, i) => {
      dLogits[i] = x * factor;
    });
    record.set([loss, accuracy], (clock[p.clockWord] % p.ring) * 2);
  },
  webgpu(
    { inputs: { logits, targets, counts, clock, scaling }, outputs: { dLogits, record }, params: p, replicas, launch },
    traits,
    scratch,
  ) {
    const lanes = p.classes >= 512 ? 64 : p.classes >= 64 ? 8 : 1;
    const strides = [p.classes, logits.replicaStride, dLogits?.replicaStride ?? 0];
    const inRegisters = p.classes <= 32 && strides.every((x) => x % 4 === 0);
    // One workgroup does everything for a small batch; larger ones are spread over workgroups.
    const usual = traits.software ? 'quads' : p.rows > 4096 ? 'staged' : 'direct';
    const variant = inRegisters ? variantOf(traits, 'crossEntropy', ['quads', 'staged', 'direct'], usual) : 'lanes';
    const staged = variant === 'staged';
    const threads = staged ? 64 : 256;
    const teams = threads / lanes;
    const rowsPerGroup = p.rows <= 2 * teams ? Math.ceil(p.rows / teams) : p.rows > 2 ** 18 ? 8 : 1;
    const blocks = Math.ceil(p.rows / (teams * rowsPerGroup));
    const target = blocks === 1 ? record : scratch(0, [replicas, blocks, 2]);
    const prelude = `alias Value = ${inRegisters ? 'vec4f' : 'f32'};\nconst THREADS = ${threads}u;\n${opaqueBounds(traits.software, 'p.rows')}`;
    const shape = { QUADS: p.classes / 4, STAGED: Number(staged), DIRECT: Number(!staged) };
    const shader = !inRegisters ? 'crossEntropy' : variant === 'quads' ? 'crossEntropy_quads' : 'crossEntropy_rows';
    const text = { crossEntropy: source, crossEntropy_quads: quadsSource, crossEntropy_rows: rowsSource }[shader];
    const main = launch({
      shader,
      source:
        prelude +
        wordConstants(scalingNames) +
        (inRegisters ? constantLines({ QUADS: shape.QUADS }) : '') +
        coreSource +
        unroll(text, shape),
      constants: {
        ...(!inRegisters && { LANES: lanes }),
        ...{ GRADIENT: Number(!!dLogits), SCALED: Number(!!scaling), COUNTED: Number(!!counts) },
      },
      words: { rowsPerGroup, blocks, recordReplica: record.replicaStride },
      bind: {
        ...{
          logits: read(logits, 'Value'),
          targets,
          counts: read(counts, 'u32'),
          clock,
          scaling: read(scaling, 'u32'),
        },
        ...{ dLogits: write(dLogits ?? scratch(1, [1, 64]), 'Value'), record: write(target) },
      },
      workgroups: [blocks, replicas, 1],
    });
    if (blocks === 1) return [main];
    return [
      main,
      launch({
        shader: 'crossEntropyRecord',
        source: opaqueBounds(traits.software, 'p.rows') + unrolledLoads(recordSource, traits.software),
        words: { blocks },
        bind: { partial: read(target, 'vec2f'), clock, record },
        workgroups: [replicas, 1, 1],
      }),
    ];
  },
  wasm: {
    kernels: ['crossEntropy', 'crossEntropyRecord'],
    words: { results: 'address' }, // address of a row's contributions to both sums
    launch({ params: { rows, classes }, replicas }, scratch) {
      const words = { results: scratch(8 * replicas * rows) };
      return [
        { words, parts: partsFor(replicas * rows * (6 * classes + 40)) },
        { kernel: 'crossEntropyRecord', words, parts: partsFor(4 * replicas * rows) },
      ];
    },
  },
  cost: ({ rows, classes }, { outputs: { dLogits } }) => ({
    flops: 6 * rows * classes,
    bytes: 4 * rows * classes * (dLogits ? 2 : 1),
  }),
  cases,
});

/** name, B, T (0: one row per sentence), V, gradient, size of the logits */
type CaseShape = [string, number, number, number, boolean, number];

function cases(): KernelCase[] {
  const shapes: CaseShape[] = [
    ['last token', 37, 0, 16, true, 1],
    ['every token', 5, 7, 11, true, 1],
    ['evaluation of many rows', 3000, 0, 5, false, 1],
    ['many rows, few classes', 4133, 0, 12, true, 1],
    ['many rows, thirty-two classes', 4133, 0, 32, true, 1],
    ['thirty-two classes', 37, 0, 32, true, 1],
    ['huge logits', 9, 0, 6, true, 1e4],
    ['tiny logits', 9, 0, 6, true, 1e-6],
    ['eight lanes', 13, 0, 77, true, 2],
    ['sixty-four lanes', 3, 0, 1030, true, 2],
    ['one row, one class', 1, 0, 1, true, 1],
  ];
  const counted: CaseShape[] = [
    ['some tokens', 5, 7, 11, true, 1],
    ['some tokens, sixteen classes', 37, 5, 16, true, 1],
    ['some tokens of many rows, evaluation', 700, 7, 12, false, 1],
    ['some tokens, eight lanes', 13, 3, 77, true, 2],
  ];
  return [...shapes.map((shape) => crossEntropyCase(shape)), ...counted.map((shape) => crossEntropyCase(shape, true))];
}

export function crossEntropyCase(
  [name, batch, positions, classes, gradient, size]: CaseShape,
  isCounted = false,
): KernelCase {
  return {
    name,
    replicas: 2,
    fill: {
      logits: (_i: number, random: () => number) => size * (2 * random() - 1),
      targets: (_i: number, random: () => number) => Math.floor(random() * classes),
      clock: (i: number) => i + 5,
      counts: (i: number) => [3, 0, 1, 4][i % 4],
    },
    // exp and log of the drivers: a few ulp; softmax is at most 1, the loss at most 2 * size + log V.
    rtol: 2 ** -18,
    atol: (2 * size + Math.log(classes) + 1) * 2 ** -20,
    build(plan) {
      const p = plan.program;
      const shape = positions ? [batch, positions, classes] : [batch, classes];
      crossEntropy(plan, {
        label: 'case',
        logits: p.persistent('logits', shape),
        targets: p.persistent('targets', [batch, (positions || 1) + 2], 'u32'),
        targetOffset: 2,
        counts: isCounted ? p.persistent('counts', [batch, positions], 'u32') : undefined,
        clock: p.persistent('clock', [3], 'u32'),
        clockWord: 1,
        dLogits: gradient ? p.persistent('dLogits', shape) : undefined,
        record: p.persistent('record', [4, 2]),
      });
    },
  };
}
