import { adamwKernel } from '../../src/kernels/adamw.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(adamwKernel);

test.run();
