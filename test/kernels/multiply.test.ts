import { multiply } from '../../src/kernels/multiply.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(multiply);

test.run();
