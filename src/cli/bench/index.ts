/** The table of benchmarks, in the order of `rhm bench --help`. */
import type { AddCommand } from '../context.js';
import { addBenchGrowth } from './growth.js';
import { addBenchInference } from './inference.js';
import { addBenchKernels } from './kernels.js';
import { addBenchMeasures } from './measures.js';
import { addBenchSampler } from './sampler.js';
import { addBenchTrain } from './train.js';

export const benches: readonly AddCommand[] = [
  addBenchKernels,
  addBenchTrain,
  addBenchGrowth,
  addBenchMeasures,
  addBenchSampler,
  addBenchInference,
];
