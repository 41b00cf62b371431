import { meanPositionsKernel } from '../../src/kernels/meanPositions.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(meanPositionsKernel);

test.run();
