import { columnSumKernel } from '../../src/kernels/columnSum.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(columnSumKernel);

test.run();
