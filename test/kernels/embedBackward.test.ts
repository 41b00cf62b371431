import { embedBackwardKernel } from '../../src/kernels/embedBackward.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(embedBackwardKernel);

test.run();
