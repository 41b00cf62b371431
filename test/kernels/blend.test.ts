import { blendOperation } from '../../src/kernels/blend.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(blendOperation);

test.run();
