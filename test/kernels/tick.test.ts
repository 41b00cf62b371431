import { tickKernel } from '../../src/kernels/tick.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(tickKernel);

test.run();
