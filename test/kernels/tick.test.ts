import { tick } from '../../src/kernels/tick.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(tick);

test.run();
