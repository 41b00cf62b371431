/** The data from which the programs of a run draw their sentences, and the calls that draw them. */
import { grammarImage } from '../core/grammarImage.js';
import { SOURCE_WORDS, sourceWords } from '../core/sampleSource.js';
import { tasks } from '../core/tasks.js';
import { streamKey } from '../core/threefry.js';
import { lookup } from '../kernels/lookup.js';
import { mask } from '../kernels/mask.js';
import { sample } from '../kernels/sample.js';
import { type ModelShape, maskingOf } from '../models/types.js';
import type { PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import { declareMasks, type Masks } from './masks.js';
import { drawnFrom, type Member } from './members.js';
import type { Shuffle } from './shuffled.js';
import { type Targets, targetsOf } from './step.js';

export interface Data {
  grammar: Tensor; // grammar of the training set
  /** One tensor per set; the same tensor for all sets unless they are your own rows. */
  grammars: Record<'train' | 'test' | 'validation', Tensor>;
  labels?: Record<'train' | 'test' | 'validation', Tensor>; // u32 [R, N], labels of your own rows
  own?: Member['own'];
  masks?: Masks; // if tokens are masked
  shuffle?: Shuffle; // if positions are shuffled
  train: Tensor;
  test: Tensor;
  validation: Tensor | undefined;
  dropout: Tensor; // u32 [R, 2]
  holds: boolean; // some member's sentences are drawn without held-out pairs
  endless: { train: boolean; test: boolean; validation: boolean }; // sets that are streams without epochs, in every replica
  constants: { tensor: Tensor; data: Uint32Array | Float32Array }[];
}

export function declareData(builder: ProgramBuilder, members: readonly Member[]): Data {
  const { own } = members[0];
  const { tensor: grammar, data: packed } = padded(
    builder,
    own ? 'rows/train' : 'grammar',
    members.map((m) => grammarImage(drawnFrom(m, 'train'))),
  );
  const train = builder.persistent('source/train', [SOURCE_WORDS], 'u32');
  const test = builder.persistent('source/test', [SOURCE_WORDS], 'u32');
  const validated = members[0].experiment.evaluation.validation !== undefined;
  const validation = validated ? builder.persistent('source/validation', [SOURCE_WORDS], 'u32') : undefined;
  const dropout = builder.persistent('dropout/keys', [2], 'u32');
  const constants = [
    { tensor: grammar, data: packed },
    { tensor: train, data: concat(members.map((m) => sourceWords(m.train))) },
    { tensor: test, data: concat(members.map((m) => sourceWords(m.test))) },
    { tensor: dropout, data: concat(members.map((m) => Uint32Array.from(streamKey(m.seed, 'dropout')))) },
  ];
  if (validation) constants.push({ tensor: validation, data: concat(members.map((m) => sourceWords(m.validation))) });
  const isEndless = (set: 'train' | 'test' | 'validation') =>
    members.every(({ [set]: { mode, length } }) => mode === 'stream' && length === 0);
  const endless = { train: isEndless('train'), test: isEndless('test'), validation: isEndless('validation') };
  const masks = declareMasks(builder, members, validated);
  if (masks) constants.push(...masks.constants);
  const holds = members.some(({ language }) => language.heldPairs !== undefined);
  const shared = { holds, grammar, train, test, validation, dropout, endless, masks, constants };
  if (!own) return { ...shared, grammars: { train: grammar, test: grammar, validation: grammar } };
  const setsOf = (name: string, rowOf: (member: Member, set: 'train' | 'test' | 'validation') => Uint32Array) => {
    const make = (set: 'train' | 'test' | 'validation') => {
      const { tensor, data } = padded(
        builder,
        `${name}/${set}`,
        members.map((m) => rowOf(m, set)),
      );
      constants.push({ tensor, data });
      return tensor;
    };
    const held = { test: make('test') };
    return { ...held, validation: validated ? make('validation') : held.test };
  };
  const grammars = { train: grammar, ...setsOf('rows', (m, set) => grammarImage(drawnFrom(m, set))) };
  const isLabelled = tasks[members[0].experiment.task.kind].targets === 'roots';
  if (!isLabelled) return { ...shared, grammars, own };
  const labelled = padded(
    builder,
    'labels/train',
    members.map((m) => m.own!.train.labels!),
  );
  constants.push(labelled);
  const labels = { train: labelled.tensor, ...setsOf('labels', (m, set) => m.own![set]!.labels!) };
  return { ...shared, grammars, labels, own };
}

/** A batch of sentences as the network reads them, and their targets. */
export function addSample(
  plan: PlanBuilder,
  shape: ModelShape,
  batch: number,
  data: Data,
  set: 'train' | 'test' | 'validation',
  clock: Tensor,
  skip: number,
): { seen: Tensor; targets: Targets } {
  const tokens = plan.activation('tokens', [batch, shape.d], 'u32');
  const roots = plan.activation('roots', [batch, 1], 'u32');
  const rows = tasks[shape.task].targets === 'hidden' ? tasks[shape.task].rows!(shape) : 0;
  const hidden = rows ? plan.activation('hidden symbols', [batch, rows], 'u32') : undefined;
  const { grammars, [set]: source, endless, holds, own, labels } = data;
  const { s, L } = own ? { s: own.train.length, L: 1 } : shape;
  const where = { grammar: grammars[set], source: source!, clock, tokens };
  const options = { label: 'sentences', s, L, ...where, skip, endless: endless[set], holds };
  if (labels) {
    const rows = plan.activation('rows', [batch, 1], 'u32');
    sample(plan, { ...options, roots: rows });
    lookup(plan, { label: 'labels', table: labels[set], index: rows, output: roots });
  } else sample(plan, { ...options, hidden, ...(tasks[shape.task].targets === 'roots' && { roots }) });
  if (data.shuffle) {
    const seen = data.shuffle(plan, tokens);
    return { seen, targets: targetsOf(shape, { tokens: seen, roots, hidden }) };
  }
  if (!data.masks) return { seen: tokens, targets: targetsOf(shape, { tokens, roots, hidden }) };
  const seen = plan.activation('seen', [batch, shape.d], 'u32');
  const counts = plan.activation('masked', [batch, shape.length], 'u32');
  const { law, keys } = data.masks;
  mask(plan, { label: 'masks', ...maskingOf(shape), law, keys: keys[set]!, tokens, clock, skip, seen, counts });
  return { seen, targets: targetsOf(shape, { tokens, roots, counts }) };
}

/** One row per replica, padded with zeros to the longest. */
function padded(
  builder: ProgramBuilder,
  name: string,
  rows: readonly Uint32Array[],
): { tensor: Tensor; data: Uint32Array } {
  const words = Math.max(...rows.map((row) => row.length));
  const data = new Uint32Array(words * rows.length);
  rows.forEach((row, r) => {
    data.set(row, r * words);
  });
  return { tensor: builder.persistent(name, [words], 'u32'), data };
}

function concat(parts: Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
