import { crossEntropyKernel } from '../../src/kernels/crossEntropy.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(crossEntropyKernel);

test.run();
