import { columnSum } from '../../src/kernels/columnSum.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(columnSum);

test.run();
