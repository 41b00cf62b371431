import { rowDot } from '../../src/kernels/rowDot.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(rowDot);

test.run();
