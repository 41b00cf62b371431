import { softmax } from '../../src/kernels/softmax.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(softmax);

test.run();
