import { adamw } from '../../src/kernels/adamw.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(adamw);

test.run();
