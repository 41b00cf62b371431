/** `rhm-lab`: what needs no GPU. The entries for node, deno and web offer the same and a device. */

export * from '../analysis/index.js';
export type { Bytes } from '../core/bytes.js';
export { contentHash } from '../core/canonical.js';
export * from '../core/errors.js';
export { type Experiment, type ExperimentInput, experimentJsonSchema, parseExperiment } from '../core/experiment.js';
export { parseRules } from '../core/parseRules.js';
export { parseRecords, type RunRecord } from '../core/records.js';
export { type GrammarOptions, type GrammarShape, makeRules, type Rules, type Weights } from '../core/rules.js';
export { decodeSafetensors, encodeSafetensors, type SafeFile, type SafeTensor } from '../core/safetensors.js';
export type { Source } from '../core/sampleSource.js';
export { type Key, streamKey } from '../core/threefry.js';
export * from '../grammar/index.js';
export * from '../theory/index.js';
