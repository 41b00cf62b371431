import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import type { Rules } from '../core/rules.js';
import type { SafeFile } from '../core/safetensors.js';
import { inOrder, inverseOrder } from '../core/shuffle.js';
import { drawFrom } from '../core/softmax.js';
import { MaskedSweeps } from '../core/sweeps.js';
import { tasks, tasksWith } from '../core/tasks.js';
import { streamKey, threefry } from '../core/threefry.js';
import { Parser } from '../grammar/parser.js';
import { createSampler } from '../grammar/sampler.js';
import { fromDisk } from '../models/disk.js';
import { createModel } from '../models/index.js';
import { declare, modelShape } from '../models/types.js';
import { ProgramBuilder } from '../plan/builder.js';
import type { Executor } from '../plan/executor.js';
import { languageOf } from './members.js';
import { orderOf } from './wiring.js';

export interface GenerateOptions {
  count: number; // sentences
  sweeps?: number; // for a network of masked tokens: see MaskedSweeps; default one per token
  temperature: number; // >= 0; 0 takes the most probable token
  seed: number;
}

export interface Generated {
  sentences: Uint32Array; // [count, d]
  /** Fraction of sentences that obey the rules up to each level: [L + 1], level 0 first. */
  grammatical: number[];
}

const BATCH = 256;

/**
 * Sentences written by a trained causal model, token by token: the first token (with a shorter context, all tokens before it) is taken
 * from a sentence of the grammar. A network of masked tokens starts from nothing and writes in sweeps. @throws InputError for a network of
 * another task, or weights that do not fit.
 */
export async function generate(
  experiment: Experiment,
  rules: Rules,
  weights: SafeFile,
  executor: Executor,
  { count, temperature, seed, sweeps }: GenerateOptions,
): Promise<Generated> {
  const { generates, masks } = tasks[experiment.task.kind];
  if (!generates && !masks)
    throw new InputError(
      `task.kind: the run learnt '${experiment.task.kind}', it generates no sentences; train on task ${tasksWith((task) => task.generates || task.masks)}`,
    );
  if (experiment.data)
    throw new InputError(
      'generate: the run was trained on your own data, for which there is no grammar; use rhm predict',
    );
  if (masks && experiment.task.context !== undefined)
    throw new InputError('generate: the run was trained on a part of each sentence; pass a run without task.context');
  if (sweeps !== undefined && !masks)
    throw new InputError(
      `sweeps: the run generates one token after the other; leave it out, or pass a run of task ${tasksWith((task) => task.masks)}`,
    );
  const model = createModel(experiment);
  const shape = modelShape(experiment);
  const { d, firstToken, length, v } = shape;
  const batch = Math.min(count, BATCH);
  const builder = new ProgramBuilder(1);
  declare(builder, model.parameters);
  const tokens = builder.persistent('tokens', [batch, d], 'u32');
  const { logits } = model.forward(builder.plan('next'), { tokens, batch, training: false });
  const program = builder.build();
  const row = new Float64Array(program.parameterCount);
  fromDisk(model.parameters, program, weights, row);

  const sampler = await createSampler(languageOf(experiment, rules, 'without'));
  const order = orderOf(experiment);
  const source = { mode: 'stream', key: streamKey(seed, 'generate', 2), size: 0n, first: 0, length: 0 } as const;
  const key = streamKey(seed, 'generate');
  const sentences = new Uint32Array(count * d);
  const loaded = await executor.load(program);
  try {
    loaded.write(builder.block('params'), row);
    for (let first = 0; masks && first < count; first += batch) {
      const written = new MaskedSweeps({ count: batch, length, v, sweeps: sweeps ?? length, temperature, key, first });
      while (!written.isDone) {
        loaded.write(tokens, written.tokens);
        await loaded.run('next');
        written.fill((await loaded.read(logits)) as Float32Array);
      }
      sentences.set(written.tokens.subarray(0, Math.min(batch, count - first) * d), first * d);
    }
    for (let first = 0; !masks && first < count; first += batch) {
      const drawn = new Uint32Array(batch * d);
      sampler.tokens(source, first, batch, drawn);
      const rows = order ? inOrder(drawn, order) : drawn;
      for (let b = 0; b < batch; b++) rows.fill(0, b * d + firstToken + 1, (b + 1) * d);
      for (let t = 1; t < length; t++) {
        loaded.write(tokens, rows);
        await loaded.run('next');
        const scores = (await loaded.read(logits)) as Float32Array; // [B, T - 1, v]
        for (let b = 0; b < batch; b++) {
          const at = (b * (length - 1) + t - 1) * v;
          const uniform = threefry(key, first + b, t)[0] / 2 ** 32;
          const row = scores.subarray(at, at + v);
          if (!row.every(Number.isFinite))
            throw new InputError(
              'weights: the outputs of the network are not finite; pass a run that has not diverged',
            );
          rows[b * d + firstToken + t] = drawFrom(row, uniform, temperature);
        }
      }
      sentences.set(rows.subarray(0, Math.min(batch, count - first) * d), first * d);
    }
  } finally {
    loaded.destroy();
  }
  const parsed = order ? inOrder(sentences, inverseOrder(order)) : sentences;
  return { sentences, grammatical: new Parser(rules).consistency(parsed, count) };
}
