import { meanPositionsBackwardKernel } from '../../src/kernels/meanPositionsBackward.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(meanPositionsBackwardKernel);

test.run();
