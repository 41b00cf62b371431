import { meanPositions } from '../../src/kernels/meanPositions.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(meanPositions);

test.run();
