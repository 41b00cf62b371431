import * as assert from 'uvu/assert';
import { HYPER_WORDS, hyperWords, PACE_WORDS, paceWords } from '../../src/core/clock.js';
import { referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { lion } from '../../src/kernels/lion.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import { uniforms } from '../support/random.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(lion);

const ELEMENTS = 1032;

/** Updates by the formula of the paper, one number at a time; gradients are those of (x - target)^2 / 2. */
function byHand(start: Float32Array, target: Float32Array, steps: number, rate: number, decay: number): number[] {
  return Array.from(start, (first, i) => {
    let x = first;
    let m = 0;
    for (let t = 0; t < steps; t++) {
      const g = x - target[i];
      const update = Math.sign(0.9 * m + (1 - 0.9) * g);
      m = 0.99 * m + (1 - 0.99) * g;
      x -= rate * (update + decay * x);
    }
    return x;
  });
}

for (const executor of [referenceExecutor(), wasmExecutor()])
  test(`20 steps are those of the paper's formula, ${executor.kind}`, async () => {
    const [rate, decay, steps] = [0.01, 0.1, 20];
    const [start, target] = [uniforms(ELEMENTS, 1), uniforms(ELEMENTS, 2).map((x) => 3 * x)];
    const builder = new ProgramBuilder(1);
    const [params, grads, moment] = ['params', 'grads', 'moment'].map((name) => builder.persistent(name, [ELEMENTS]));
    const hyper = builder.persistent('hyper', [HYPER_WORDS]);
    const pace = builder.persistent('pace', [PACE_WORDS]);
    const plan = builder.plan('step');
    lion(plan, { label: 'update', params, grads, moment, hyper, pace });
    const loaded = await executor.load(builder.build());
    const words = new Float64Array(HYPER_WORDS);
    words[hyperWords.weightDecay] = decay;
    words[hyperWords.oneMinusBeta1] = 1 - 0.9;
    words[hyperWords.oneMinusBeta2] = 1 - 0.99;
    loaded.write(hyper, words);
    loaded.write(
      pace,
      Float64Array.from({ length: PACE_WORDS }, (_, i) => (i === paceWords.rate ? rate : 0)),
    );
    loaded.write(params, start);
    for (let t = 0; t < steps; t++) {
      const now = await loaded.read(params);
      loaded.write(
        grads,
        Float64Array.from(now, (x, i) => x - target[i]),
      );
      await loaded.run(plan.name);
    }
    const got = await loaded.read(params);
    const want = byHand(start, target, steps, rate, decay);
    // f32: one rounding per step on values of order 1. A weight that reaches its target may turn a step earlier or later: 2 rate.
    const bound = executor.kind === 'reference' ? 1e-12 : steps * 2 ** -23;
    const turned = want.filter((x, i) => !(Math.abs(got[i] - x) <= bound));
    assert.ok(turned.length <= (executor.kind === 'reference' ? 0 : 3), `${turned.length} weights are elsewhere`);
    for (const [i, x] of want.entries()) assert.ok(Math.abs(got[i] - x) <= 4 * rate, `${i}: ${got[i]}, wanted ${x}`);
    loaded.destroy();
  });

test.run();
