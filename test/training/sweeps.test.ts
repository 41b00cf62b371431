import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { makeRules, type Rules } from '../../src/core/rules.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { MaskedSweeps } from '../../src/core/sweeps.js';
import { streamKey } from '../../src/core/threefry.js';
import { lab } from '../../src/entry/node.js';
import { Parser } from '../../src/grammar/parser.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { measures } from '../../src/measures/index.js';
import { denoisingCurve } from '../../src/theory/denoising.js';
import { posteriors } from '../../src/theory/inference.js';
import { denoiseWith } from '../../src/training/denoise.js';
import { generate } from '../../src/training/generate.js';
import { membersOf, rulesOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { Trainer } from '../../src/training/trainer.js';
import { weightsOf } from '../../src/training/weights.js';
import { failure } from '../support/gpu.js';
import { rhm } from '../support/run.js';
import { sentences } from '../theory/enumerate.js';

const test = suite('sentences written in sweeps');
const executor = wasmExecutor({ threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), 'rhm-sweeps-'));
test.after(async () => {
  await executor.destroy();
  rmSync(scratch, { recursive: true });
});

/** Sentences written by a network that knows every conditional distribution exactly. */
function written(rules: Rules, count: number, sweeps: number, from?: number[]): Uint32Array {
  const { v } = rules;
  const length = rules.s ** rules.L;
  const own = new MaskedSweeps({ count, length, v, sweeps, key: streamKey(5, 'generate') }, from);
  while (!own.isDone) {
    const seen = Array.from(own.tokens, (token) => (token === v ? -1 : token));
    const rows = Array.from({ length: count }, (_, i) => seen.slice(i * length, (i + 1) * length));
    const { symbols } = posteriors(rules, rows, { contradictions: 'zero' });
    own.fill(Float32Array.from(symbols[rules.L], (p) => Math.log(p + 1e-30)));
  }
  return own.tokens;
}

const rules = makeRules({ v: 3, n: 3, m: 2, s: 2, L: 2 }, 4, { ruleProbabilities: [[0.7, 0.3], 'uniform'] });

test('with exact conditionals and one token per sweep they are sentences of the grammar, with its frequencies', () => {
  const N = 4000;
  const tokens = written(rules, N, 4);
  const found = new Map<string, number>();
  for (let i = 0; i < N; i++) {
    const name = tokens.subarray(4 * i, 4 * i + 4).join();
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  let chi = 0;
  const language = sentences(rules);
  for (const { tokens: own, probability } of language) {
    chi += ((found.get(own.join()) ?? 0) - N * probability) ** 2 / (N * probability);
    found.delete(own.join());
  }
  assert.equal([...found], [], 'nothing else is written');
  assert.is(language.length, 24);
  assert.ok(chi < 49.7, `chi^2 ${chi}`); // 23 degrees of freedom, p = 0.001
});

test('in one sweep tokens are independent: the valid fraction follows from the marginals', () => {
  const N = 4000;
  const marginal = Array.from({ length: 4 }, () => new Float64Array(3));
  for (const { tokens, probability } of sentences(rules))
    for (const [i, token] of tokens.entries()) marginal[i][token] += probability;
  const want = sentences(rules).reduce((sum, { tokens }) => sum + tokens.reduce((p, x, i) => p * marginal[i][x], 1), 0);
  const got = new Parser(rules).consistency(written(rules, N, 1), N)[2];
  assert.ok(Math.abs(got - want) < 5 * Math.sqrt((want * (1 - want)) / N), `${got} and ${want}`);
  assert.ok(want < 0.9, `far from valid: ${want}`);
});

test('given tokens stay; a sentence does not depend on the others; sweeps fill equal parts', () => {
  const [first] = sentences(rules);
  const given = [...first.tokens.slice(0, 3), 3, ...first.tokens];
  const tokens = written(rules, 2, 2, given);
  assert.equal([...tokens.subarray(0, 3), ...tokens.subarray(4)], [...given.slice(0, 3), ...given.slice(4)]);
  assert.equal([...written(rules, 1, 4)], [...written(rules, 3, 4).subarray(0, 4)]);
  const steps = new MaskedSweeps({ count: 5, length: 8, v: 4, sweeps: 3, key: [1, 2] });
  const masked: number[] = [];
  while (!steps.isDone) {
    steps.fill(new Float32Array(5 * 8 * 4));
    masked.push(steps.tokens.filter((token) => token === 4).length / 5);
  }
  assert.equal(masked, [5, 2, 0]);
  for (const sweeps of [0, 9, 1.5])
    assert.throws(
      () => new MaskedSweeps({ count: 1, length: 8, v: 4, sweeps, key: [1, 2] }),
      (error: Error) => error instanceof InputError && /sweeps: got .*; pass 1 to 8/.test(error.message),
    );
});

const input: ExperimentInput = {
  grammar: { v: 5, m: 2, s: 2, L: 2, seed: 2 },
  task: 'mask',
  model: { kind: 'unet', width: 32 },
  optimiser: { kind: 'sgd', rate: 1 },
  budget: { batch: 32, steps: 1500 },
  evaluation: { size: 64, perDoubling: 1 },
  seed: 3,
};

test('the measure is what the network writes from its weights, replica by replica, and rises with training', async () => {
  const members = membersOf(parseExperiment({ ...input, replicas: 2, measures: ['validity'] }));
  const training = trainingProgram(members, measures);
  const trainer = await Trainer.create(members, executor, undefined, training);
  const before = await trainer.measure();
  await trainer.advance(1500);
  const after = await trainer.measure();
  const states = await trainer.state();
  trainer.destroy();
  assert.equal(
    after.map(({ replica, name, level }) => [replica, name, level]),
    [0, 1].flatMap((replica) => [1, 2].map((level) => [replica, 'valid', level])),
  );
  for (const [i, { value }] of after.entries())
    assert.ok(value > before[i].value + 0.2 && value > 0.7, `${before[i].value} to ${value}`);
  for (const { params } of states) assert.ok(params.every(Number.isFinite));
});

test('a trained network denoises nearly like the exact posterior; without noise it changes nothing', async () => {
  const folder = join(scratch, 'run');
  await lab.train(input, { executor: 'wasm', threads: 1, folder });
  const experiment = parseExperiment(input);
  const own = rulesOf(experiment);
  const { checkpoint } = await lab.train(input, { executor: 'wasm', threads: 1 });
  const weights = weightsOf(checkpoint!, 'checkpoint', { which: 'last', replica: 0 });
  assert.ok(decodeSafetensors(checkpoint!).tensors.size > 0);
  const options = { rates: [0, 0.4, 1], sentences: 400, seed: 1 };
  const network = await denoiseWith(experiment, own, weights, executor, options);
  const exact = denoisingCurve(own, { ...options, noise: 'mask' });
  assert.equal(network[0].changed, [0, 0, 0]);
  assert.equal(network[0].valid, [1, 1, 1]);
  for (const k of [1, 2])
    for (const [level, x] of network[k].changed.entries()) {
      const noise = 5 * Math.hypot(network[k].error[level], exact[k].error[level]);
      assert.ok(x > exact[k].changed[level] - noise, 'no better than the posterior');
      assert.ok(x < exact[k].changed[level] + noise + 0.12, `level ${level}: ${x} and ${exact[k].changed[level]}`);
    }
  const once = await generate(experiment, own, weights, executor, { count: 300, temperature: 1, seed: 2, sweeps: 1 });
  const slowly = await generate(experiment, own, weights, executor, { count: 300, temperature: 1, seed: 2 });
  assert.ok(slowly.grammatical[2] > once.grammatical[2] + 0.2, `${slowly.grammatical} and ${once.grammatical}`);

  const { code, stdout } = await rhm(['denoise', '--run', folder, '--rates', '0,1', '--sentences', '20', '--json']);
  assert.is(code, 0);
  const said = JSON.parse(stdout);
  assert.equal(said.network[0].changed, [0, 0, 0]);
  assert.is(said.exact.length, 2);
  assert.is(said.noise, 'mask');
  for (const [args, says] of [
    [['--run', folder, '--noise', 'belief'], /--noise belief: a network fills in masked tokens/],
    [['-v', '4', '-m', '2', '-L', '1', '--rates', '0.1,2'], /--rates: got 2; pass numbers from 0 to 1/],
  ] as const) {
    const refused = await rhm(['denoise', ...args]);
    assert.is(refused.code, 2);
    assert.match(refused.stderr, says);
  }
});

test('networks of other tasks, and contexts, are refused', async () => {
  const build = (change: object) => async () =>
    trainingProgram(membersOf(parseExperiment({ ...input, measures: ['validity'], ...change })), measures);
  const last = { task: 'last', model: { kind: 'mla', channels: 8, heads: 2 } };
  assert.match(
    (await failure(build(last))).message,
    /measures: validity applies to networks that fill in masked tokens/,
  );
  const part = { task: { kind: 'mask', context: 2 }, model: { kind: 'mla', channels: 8, heads: 2 } };
  assert.match((await failure(build(part))).message, /validity applies to whole sentences; leave task.context out/);
  const safe = decodeSafetensors(
    (await lab.train({ ...input, budget: { batch: 4, steps: 1 } }, { executor: 'wasm', threads: 1 })).checkpoint!,
  );
  const options = { rates: [0.5], sentences: 2, seed: 0 };
  const other = parseExperiment({ ...input, ...last });
  assert.match(
    (await failure(() => denoiseWith(other, rulesOf(other), safe, executor, options))).message,
    /the run learnt 'last', which fills in no masked tokens; pass a run of task 'mask'/,
  );
  assert.match(
    (await failure(() => generate(other, rulesOf(other), safe, executor, { count: 1, temperature: 1, seed: 0 })))
      .message,
    /it generates no sentences; train on task 'auto' or 'mask'/,
  );
});

test.run();
