import { crossEntropy } from '../../src/kernels/crossEntropy.js';
import { kernelSuite } from './harness.js';

// The kernels for GPUs: variants.slow.test.ts.
const test = kernelSuite(crossEntropy);

test.run();
