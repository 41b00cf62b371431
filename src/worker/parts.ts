/** The parts of the laboratory that train, measure and sample: most of the package, loaded by a page when first needed. */
export { createSampler } from '../grammar/sampler.js';
export { loadModels } from '../models/define.js';
export { examine } from '../platform/doctor.js';
export { chunkApi } from './chunks.js';
export { networkLogits } from './logits.js';
export { runTogether } from './runs.js';
