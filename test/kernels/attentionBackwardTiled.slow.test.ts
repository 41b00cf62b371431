/** The tiled kernels take software drivers seconds to compile. */
import { attentionBackward } from '../../src/kernels/attentionBackward.js';
import { tiledCases } from './attentionShapes.js';
import { gpuVariantSuite } from './harness.js';

const test = gpuVariantSuite(attentionBackward, tiledCases);

test.run();
