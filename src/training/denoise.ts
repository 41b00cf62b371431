/** The forward-backward experiment with a trained network in place of the exact posterior. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import type { Rules } from '../core/rules.js';
import type { SafeFile } from '../core/safetensors.js';
import { MaskedSweeps } from '../core/sweeps.js';
import { tasks, tasksWith } from '../core/tasks.js';
import { streamKey } from '../core/threefry.js';
import { Parser } from '../grammar/parser.js';
import { fromDisk } from '../models/disk.js';
import { createModel } from '../models/index.js';
import { declare, modelShape } from '../models/types.js';
import { ProgramBuilder } from '../plan/builder.js';
import type { Executor } from '../plan/executor.js';
import { type DenoisingPoint, errorsOf, noisySentences } from '../theory/denoising.js';

export interface NetworkDenoisingPoint extends DenoisingPoint {
  /** [L+1] by level, tokens first: fraction of the sentences that obey the rules up to the level. */
  valid: number[];
}

export interface NetworkDenoisingOptions {
  rates: readonly number[];
  sentences: number;
  seed: number;
}

/**
 * Masks tokens at each rate and lets the network draw them again, one per sweep. Changes are reported level by level from the parse of the
 * new sentence, where a symbol without a parse counts as changed. Sentences and masks are those of `denoisingCurve` with noise `mask`.
 * @throws InputError for a network of another task
 */
export async function denoiseWith(
  experiment: Experiment,
  rules: Rules,
  weights: SafeFile,
  executor: Executor,
  { rates, sentences, seed }: NetworkDenoisingOptions,
): Promise<NetworkDenoisingPoint[]> {
  const { kind, context } = experiment.task;
  if (!tasks[kind].masks)
    throw new InputError(
      `task.kind: the run learnt '${kind}', which fills in no masked tokens; pass a run of task ${tasksWith((task) => task.masks)}`,
    );
  if (context !== undefined)
    throw new InputError('denoise: the run was trained on a part of each sentence; pass a run without task.context');
  if (experiment.data)
    throw new InputError('denoise: the run was trained on your own data, which has no tree; pass a run on a grammar');
  const model = createModel(experiment);
  const { d, v, L } = modelShape(experiment);
  const builder = new ProgramBuilder(1);
  declare(builder, model.parameters);
  const tokens = builder.persistent('tokens', [sentences, d], 'u32');
  const { logits } = model.forward(builder.plan('fill'), { tokens, batch: sentences, training: false });
  const program = builder.build();
  const row = new Float64Array(program.parameterCount);
  fromDisk(model.parameters, program, weights, row);
  const parser = new Parser(rules);
  const loaded = await executor.load(program);
  const points: NetworkDenoisingPoint[] = [];
  try {
    loaded.write(builder.block('params'), row);
    for (const [k, rate] of rates.entries()) {
      const cases: { symbols: Int32Array[]; seen: Int32Array }[] = [];
      for (const { symbols, seen } of noisySentences(rules, { noise: 'mask', rate, sentences, seed, stream: k }))
        cases.push({ symbols: symbols.map((own) => own.slice()), seen });
      const given = cases.flatMap(({ seen }) => [...seen].map((token) => (token < 0 ? v : token)));
      const key = streamKey(seed, 'generate', 4 + k);
      const written = new MaskedSweeps({ count: sentences, length: d, v, sweeps: d, key }, given);
      while (!written.isDone) {
        loaded.write(tokens, written.tokens);
        await loaded.run('fill');
        written.fill((await loaded.read(logits)) as Float32Array);
      }
      const sum = new Float64Array(L + 1);
      const squares = new Float64Array(L + 1);
      for (const [i, { symbols }] of cases.entries()) {
        const parse = parser.parse(written.tokens.subarray(i * d, (i + 1) * d));
        for (const [depth, own] of symbols.entries()) {
          const share = own.filter((symbol, p) => parse.symbols[depth][p] !== symbol).length / own.length;
          sum[L - depth] += share;
          squares[L - depth] += share * share;
        }
      }
      const changed = Array.from(sum, (x) => x / sentences);
      const error = errorsOf(changed, squares, sentences);
      points.push({ rate, changed, error, valid: parser.consistency(written.tokens, sentences) });
    }
  } finally {
    loaded.destroy();
  }
  return points;
}
