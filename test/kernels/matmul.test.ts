import { matmulKernel } from '../../src/kernels/matmul.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(matmulKernel);

test.run();
