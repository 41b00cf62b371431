import { lookup } from '../../src/kernels/lookup.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(lookup);

test.run();
