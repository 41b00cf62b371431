import { sampleKernel } from '../../src/kernels/sample.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(sampleKernel);

test.run();
