import { meanPositionsBackward } from '../../src/kernels/meanPositionsBackward.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(meanPositionsBackward);

test.run();
