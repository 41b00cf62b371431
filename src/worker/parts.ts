/** What trains, measures and samples for the laboratory: most of the package, and what a page may load when it first needs it. */
export { createSampler } from '../grammar/sampler.js';
export { loadModels } from '../models/define.js';
export { examine } from '../platform/doctor.js';
export { chunkApi } from './chunks.js';
export { networkLogits } from './logits.js';
export { runTogether } from './runs.js';
