import { sgd } from '../../src/kernels/sgd.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(sgd);

test.run();
