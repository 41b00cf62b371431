/** The tiled kernels take software drivers seconds to compile. */
import { attention } from '../../src/kernels/attention.js';
import { tiledCases } from './attentionShapes.js';
import { gpuVariantSuite } from './harness.js';

const test = gpuVariantSuite(attention, tiledCases);

test.run();
