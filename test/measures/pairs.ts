import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { measures } from '../../src/measures/index.js';
import type { Executor } from '../../src/plan/executor.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { Trainer } from '../../src/training/trainer.js';

/**
 * Measures of an hcnn of two replicas whose first layer identifies the pair of tokens it sees: unit (a, b) of v^2 is 1 if the pair
 * is (a, b), else 0; every unit of the second replica is 0.
 */
export async function measurePairs(planted: ExperimentInput, executor: Executor) {
  const experiment = parseExperiment(planted);
  const { v } = experiment.grammar;
  const members = membersOf(experiment);
  const training = trainingProgram(members, measures);
  const trainer = await Trainer.create(members, executor, undefined, training);
  const weights = new Float32Array(2 * training.program.parameterCount);
  const at = (name: string) => training.program.tensors.get(name)!.offset;
  // Unit (a, b): relu of the hits less 1. For a whitened one-hot vector, sqrt(1 - 1/v) x is the hit less 1/v.
  for (let unit = 0; unit < v * v; unit++) {
    for (const [slot, token] of [Math.floor(unit / v), unit % v].entries())
      weights[at('hidden.0') + (slot * v + token) * v * v + unit] = Math.sqrt(1 - 1 / v);
    weights[at('hidden.0.bias') + unit] = 2 / v - 1;
  }
  trainer.loaded.write(training.params, weights);
  const values = await trainer.measure();
  trainer.destroy();
  return { members, values };
}
