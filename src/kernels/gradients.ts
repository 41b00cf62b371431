/** The properties of operations that src/plan/backward.ts needs. */
import type { GradientOperations } from '../plan/backward.js';
import { reshape } from '../plan/builder.js';
import { elementsPerReplica } from '../plan/types.js';
import { blend } from './blend.js';
import { columnSum } from './columnSum.js';
import { meanPositionsBackward } from './meanPositionsBackward.js';
import { kernels } from './table.js';

export const gradientOperations: GradientOperations = {
  rule: (op) => kernels[op]?.gradient,
  isRectified: (call, output) =>
    call.params.relu === true && [call.outputs.c, call.outputs.output, call.outputs.out].includes(output),
  copy(plan, label, from, { tensor, accumulate, mask }) {
    const elements = elementsPerReplica(tensor);
    let source = from;
    if (mask) {
      // The gradient of a mean over one position: dInput = dOutput where the mask is > 0.
      const masked = accumulate
        ? plan.activation(`${tensor.name} masked`, [1, 1, elements])
        : reshape(tensor, [1, 1, elements]);
      meanPositionsBackward(plan, {
        ...{ label: `${label}, through ReLU`, dOutput: reshape(from, [1, elements]), dInput: masked },
        mask: reshape(mask, [1, 1, elements]),
      });
      if (!accumulate) return;
      source = masked;
    }
    columnSum(plan, { label, input: reshape(source, [1, elements]), output: reshape(tensor, [elements]), accumulate });
  },
  clear: (plan, label, tensor, like) => blend(plan, { label, x: like, out: tensor, weights: { a: 0, b: 0 } }),
};
