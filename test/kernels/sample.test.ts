import { sample } from '../../src/kernels/sample.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(sample);

test.run();
