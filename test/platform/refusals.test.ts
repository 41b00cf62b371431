/** Errors for a program that passes invalid values to the laboratory, and the reasons it may give when it stops a run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import * as all from '../../src/entry/node.js';
import { failure } from '../support/gpu.js';

const test = suite('refusals of the laboratory');
const shape = { v: 6, n: 6, m: 2, s: 2, L: 2 };

const grammar = all.makeRules(shape, 1);
const [left, right] = grammar.rules[0][0][0];
const sentence = [...grammar.rules[1][left][0], ...grammar.rules[1][right][0]];

const calls: Record<string, (rules: all.Rules) => unknown> = {
  'lab.plateaus': (rules) => all.lab.plateaus(rules),
  'lab.sample': (rules) => all.lab.sample(rules, { count: 2, seed: 1 }),
  createSampler: (rules) => all.createSampler(rules),
  createParallelSampler: (rules) => all.createParallelSampler(rules, { threads: 1 }),
  Parser: (rules) => new all.Parser(rules),
  lossPlateaus: (rules) => all.lossPlateaus(rules),
  examineGrammar: (rules) => all.examineGrammar(rules),
  exactLosses: (rules) => all.exactLosses(rules, sentence, 1),
  logLikelihoods: (rules) => all.logLikelihoods(rules, []),
  posteriors: (rules) => all.posteriors(rules, []),
  mostProbableTrees: (rules) => all.mostProbableTrees(rules, []),
  sampleTrees: (rules) => all.sampleTrees(rules, []),
  covarianceWithLast: (rules) => all.covarianceWithLast(rules, 0, 0),
  meanSquareCovariances: (rules) => all.meanSquareCovariances(rules),
  rmsCovariances: (rules) => all.rmsCovariances(rules),
  transitions: (rules) => all.transitions(rules),
  marginals: (rules) => all.marginals(rules),
  clusterCurves: (rules) => all.clusterCurves(rules),
};

for (const [name, call] of Object.entries(calls))
  test(`${name}: a shape for a grammar is refused by name`, async () => {
    await call(grammar);
    for (const wrong of [shape, undefined, { ...grammar, rules: 'none' }]) {
      const error = await failure(async () => call(wrong as all.Rules));
      assert.instance(error, InputError);
      assert.match(
        error.message,
        /^rules: got .*, which is not a grammar; pass one, as made by makeRules\(shape, seed\)/,
      );
    }
  });

test('a run is stopped with a reason, here and in a worker, and goes on from there', async () => {
  const experiment = {
    grammar: shape,
    model: { kind: 'hcnn', width: 8 },
    budget: { steps: 4000, batch: 8 },
    evaluation: { size: 32 },
  } as const;
  const wasm = { executor: 'wasm', threads: 1 } as const;
  const worker = await all.startWorker(pathToFileURL(resolve('dist/worker.node.js')));
  const scratch = mkdtempSync(join(tmpdir(), 'rhm-stopped-'));
  try {
    for (const [name, api] of Object.entries({ here: all.lab, there: worker.api }))
      for (const why of ['the loss is low enough', undefined]) {
        const stop = new AbortController();
        const folder = join(scratch, `${name}-${why}`);
        const onRecord = (record: all.RunRecord) => {
          if (record.type === 'eval' && record.step >= 64) stop.abort(why);
        };
        const run = await api.train(experiment, { ...wasm, folder, signal: stop.signal, onRecord });
        const end = { type: 'end', reason: why ? 'stopped' : 'interrupted', ...(why && { message: why }) };
        assert.is(run.reason, end.reason);
        assert.is(run.message, why);
        assert.equal(run.records.at(-1), end as all.EndRecord);
        const [files] = all.readRunFolders([folder]);
        assert.equal(all.parseRecords(files.records!).records.at(-1), end as all.EndRecord);
        assert.is((await all.readRun(files)).status, end.reason);
        const whole = await api.train(experiment, { ...wasm, folder, resume: true });
        assert.is(whole.reason, 'done');
        assert.ok(whole.step === 4000 && run.step < 4000);
      }
  } finally {
    await worker.terminate();
    rmSync(scratch, { recursive: true });
  }
});

test.run();
