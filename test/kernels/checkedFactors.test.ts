import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SCALING_WORDS } from '../../src/core/clock.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { matmul, matmulOperation } from '../../src/kernels/matmul.js';
import { checkFactorsOnce } from '../../src/kernels/shared/checkedFactors.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import type { Call } from '../../src/plan/types.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';

/** Which half-precision factors a product still checks. */
const test = suite('half-precision factors are checked once');

const checks = (call: Call) => {
  const { params, outputs } = matmulOperation.typed(call);
  return `${call.label}: ${outputs.scaling ? `${params.seenA ? '' : 'a'}${params.seenB ? '' : 'b'}` : 'none'}`;
};
const half = (calls: readonly Call[]) => calls.filter(({ op, params }) => op === 'matmul' && params.half);

const base = {
  grammar: { v: 8, m: 2, s: 2, L: 3 },
  model: { kind: 'hcnn', width: 20 },
  optimiser: { kind: 'sgd', rate: 0.5 },
  budget: { batch: 12, steps: 100 },
  evaluation: { size: 16 },
  precision: 'f16',
} satisfies ExperimentInput;

test('a step of hcnn: activations and weights going up, gradients of activations coming down, nothing for gradients of weights', () => {
  const { program } = trainingProgram(membersOf(parseExperiment(base)));
  assert.equal(half(checkFactorsOnce(program).plans.get('train')!.calls).map(checks), [
    ...['hidden.1: ab', 'hidden.2: ab', 'readout: ab'],
    ...['readout input gradient: a', 'hidden.2 input gradient: a', 'hidden.1 input gradient: a'],
    ...['hidden.1 gradient: none', 'hidden.2 gradient: none', 'readout gradient: none'],
  ]);
});

test('a factor written to since, or another part of it, is checked again', () => {
  const builder = new ProgramBuilder(2);
  const plan = builder.plan('products');
  const scaling = builder.persistent('scaling', [SCALING_WORDS], 'u32');
  const [a, b, c] = ['a', 'b', 'c'].map((name) => builder.persistent(name, [8, 8]));
  const product = (label: string, x: typeof a, y: typeof a, z: typeof a, m = 8, offset = 0) =>
    matmul(plan, {
      ...{ label, m, n: 8, k: 8, half: true, scaling },
      ...{ a: { tensor: x, offset }, b: { tensor: y }, c: { tensor: z } },
    });
  product('first', a, b, c);
  product('again', b, a, c);
  product('into a', b, b, a);
  product('a is new', a, b, c);
  product('half of a', a, b, c, 4);
  product('the other half', a, b, c, 4, 32);
  product('both halves seen', a, b, c, 4);
  const calls = checkFactorsOnce(builder.build()).plans.get('products')!.calls;
  assert.equal(calls.map(checks), [
    ...['first: ab', 'again: none', 'into a: none', 'a is new: a'],
    ...['half of a: a', 'the other half: a', 'both halves seen: none'],
  ]);
});

test('f32 products, and evaluations, which mark no step, are left unchanged', () => {
  const left = (precision: 'f32' | 'f16', plans: readonly string[]) => {
    const { program } = trainingProgram(membersOf(parseExperiment({ ...base, precision })));
    const once = checkFactorsOnce(program).plans;
    for (const name of plans) assert.equal(once.get(name)!.calls, program.plans.get(name)!.calls, name);
  };
  left('f32', ['train', 'evaluate']);
  left('f16', ['evaluate']);
});

test.run();
