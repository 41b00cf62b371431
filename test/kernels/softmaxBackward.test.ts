import { softmaxBackward } from '../../src/kernels/softmaxBackward.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(softmaxBackward);

test.run();
