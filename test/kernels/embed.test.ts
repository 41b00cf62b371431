import { embedKernel } from '../../src/kernels/embed.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(embedKernel);

test.run();
