import { sgdKernel } from '../../src/kernels/sgd.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(sgdKernel);

test.run();
