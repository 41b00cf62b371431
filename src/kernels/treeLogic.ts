import source from '../../shaders/treeLogic.wgsl';
import { SCALING_WORDS, scalingWords, UNIT_EXPONENT } from '../core/clock.js';
import { grammarImage } from '../core/grammarImage.js';
import { makeRules, type Rules } from '../core/rules.js';
import { linearGrid, read, write } from '../gpu/dispatch.js';
import * as reference from '../reference/treeLogic.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { f32, u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';
import { depth, header, scaling as scalingNames, wordConstants } from './shared/words.js';

/**
 * The distance of the probabilities p of hidden symbols from the logic of the grammar, and its gradient. Nodes are all symbols above the
 * tokens, the root first, level by level; p [batch, nodes, classes]. With Q_a, the probability that the children of a node form one of the
 * tuples of a, sum over the rules k of a of prod_i p_child_i(tuple_ki), violations are
 *
 *   0, a parent implies one of its tuples: sum_a p_a (1 - Q_a);
 *   1, a tuple implies its parent: sum_a Q_a (1 - p_a);
 *   2, symbols exclude each other: sum_(a<b) p_a p_b.
 *
 * The first two are 0 for nodes whose children are tokens. All are 0 exactly if the distributions are those of one tree. dProbabilities,
 * overwritten, is the gradient of parent * (mean of 0) + tuple * (mean of 1) + exclusive * (mean of 2), with means over sentences and the
 * nodes of each term; scaling: it is multiplied by the factor that this contains. Source: LOGICSEG, arXiv:2309.13556, eqs. 2 to 4, with the
 * product as conjunction.
 */
export const treeLogic = defineOperation({
  name: 'treeLogic',
  inputs: { probabilities: 'R batch nodes classes', grammar: 'u32 R ...', scaling: `u32 R ${SCALING_WORDS} ?` },
  outputs: { violations: 'R batch nodes 3', dProbabilities: 'R batch nodes classes ?' },
  params: {
    s: u32({ least: 2 }), // branching factor
    L: u32({ least: 1 }), // depth
    parent: f32({ default: 0 }),
    tuple: f32({ default: 0 }),
    exclusive: f32({ default: 0 }),
  },
  check({ probabilities, nodes, s, L }, refuse) {
    const all = (s ** L - 1) / (s - 1);
    if (nodes !== all) refuse(`probabilities [${probabilities.shape}], a tree has ${all} symbols above the tokens`);
  },
  reference({ probabilities, grammar, scaling, violations, dProbabilities }, params) {
    const factor = scaling ? 2 ** (scaling[scalingWords.exponent] - UNIT_EXPONENT) : 1;
    reference.treeLogic(params, factor, grammar, probabilities, violations, dProbabilities);
  },
  webgpu: (
    { inputs, outputs: { violations, dProbabilities }, params: { batch, nodes }, replicas, launch },
    _,
    scratch,
  ) => [
    launch({
      source: wordConstants(header, depth, scalingNames) + source,
      constants: { GRADIENT: Number(!!dProbabilities), SCALED: Number(!!inputs.scaling) },
      bind: {
        ...{ probabilities: inputs.probabilities, grammar: inputs.grammar, scaling: read(inputs.scaling, 'u32') },
        ...{ violations: write(violations), dProbabilities: write(dProbabilities ?? scratch(0, [1, 64])) },
      },
      workgroups: linearGrid(Math.ceil((replicas * batch * nodes) / 64)),
    }),
  ],
  wasm: {
    launch: ({ params: { batch, nodes, classes }, replicas }) => [
      { parts: partsFor(20 * replicas * batch * nodes * classes) },
    ],
  },
  cost: ({ batch, nodes, classes }) => ({ flops: 20 * batch * nodes * classes, bytes: 16 * batch * nodes * classes }),
  cases: () => [
    logicCase('three levels', makeRules({ v: 5, n: 5, m: 2, s: 2, L: 3 }, 1), 5, {
      parent: 0.7,
      tuple: 0.3,
      exclusive: 0.2,
    }),
    logicCase('three children, fewer roots', makeRules({ v: 7, n: 3, m: 4, s: 3, L: 3 }, 2), 7, {
      parent: 1,
      tuple: 2,
    }),
    logicCase('more roots than symbols', makeRules({ v: 3, n: 5, m: 1, s: 2, L: 2 }, 3), 5, { tuple: 1, exclusive: 1 }),
    logicCase('one level', makeRules({ v: 3, n: 4, m: 2, s: 2, L: 1 }, 4), 4, { parent: 1, exclusive: 1 }),
    logicCase('without a gradient', makeRules({ v: 4, n: 4, m: 3, s: 2, L: 4 }, 5), 4, undefined),
  ],
});

function logicCase(
  name: string,
  rules: Rules,
  classes: number,
  weights: { parent?: number; tuple?: number; exclusive?: number } | undefined,
): KernelCase {
  const image = grammarImage(rules);
  const { s, L, m } = rules;
  const [batch, nodes] = [11, (s ** L - 1) / (s - 1)];
  return {
    name,
    replicas: 3,
    fill: { grammar: (i) => image[i], probabilities: (_i, random) => (1.5 * random()) / classes },
    // Sums of classes * m products of s + 1 numbers, in any order; those subtracted are below 1.
    rtol: classes * m * (s + 2) * 2 ** -24,
    atol: classes * m * (s + 2) * 2 ** -24,
    build(plan) {
      const p = plan.program;
      const shape = [batch, nodes, classes];
      treeLogic(plan, {
        ...{ label: 'case', s, L, ...weights },
        probabilities: p.persistent('probabilities', shape),
        grammar: p.persistent('grammar', [image.length], 'u32'),
        violations: p.persistent('violations', [batch, nodes, 3]),
        dProbabilities: weights && p.persistent('dProbabilities', shape),
      });
    },
  };
}
