export { newMemory } from '../core/wasmModule.js';
export { canPermute, type Dataset, type DatasetOptions, derivationSource, makeDataset } from './dataset.js';
export { collisionProbability, countDerivations, logCoincidence, logDerivations } from './derivations.js';
export { type Intervened, type Intervention, intervene, treeChange } from './intervene.js';
export { createParallelSampler, type ParallelOptions, type ParallelSampler } from './parallel.js';
export { type Fault, type Parse, Parser } from './parser.js';
export { createSampler, Sampler, type SamplerOptions, type Trees } from './sampler.js';
