import { attentionKernel } from '../../src/kernels/attention.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(attentionKernel);

test.run();
