import { embed } from '../../src/kernels/embed.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(embed);

test.run();
