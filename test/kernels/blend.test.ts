import { blendKernel } from '../../src/kernels/blend.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(blendKernel);

test.run();
