/** `rhm-lab`: everything that needs no GPU. The entries for node, deno and web offer the same and a device. */

export * from '../analysis/index.js';
export type { Bytes } from '../core/bytes.js';
export { contentHash } from '../core/canonical.js';
export * from '../core/errors.js';
export { parseExperiment } from '../core/experiment.js';
export type {
  Experiment,
  ExperimentInput,
  ModelInput,
  Optimiser,
  OptimiserInput,
  OptimiserKind,
} from '../core/experimentTypes.js';
export { experimentFileSchema as experimentJsonSchema } from '../core/fileSchema.js';
export * from '../core/modelTypes.js'; // as a whole: only then can declarations of other modules be merged into OwnModels
export { decodeNpy, type NpyArray } from '../core/npy.js';
export { type DataRows, type OwnData, withData } from '../core/ownData.js';
export { parseRules } from '../core/parseRules.js';
export {
  type EndReason,
  type EndRecord,
  type EvalRecord,
  type MeasureRecord,
  type ParsedRecords,
  parseRecords,
  type RateRecord,
  type RunEnd,
  type RunRecord,
  type StartRecord,
  type TestRecord,
} from '../core/records.js';
export { type GrammarOptions, type GrammarShape, makeRules, type Rules, type Weights } from '../core/rules.js';
export {
  decodeSafetensors,
  encodeSafetensors,
  type SafeArray,
  type SafeDType,
  type SafeFile,
  type SafeSource,
  type SafeTensor,
} from '../core/safetensors.js';
export type { Source } from '../core/sampleSource.js';
export type { TaskKind } from '../core/tasks.js';
export { type Key, streamKey } from '../core/threefry.js';
export type { TokenRows } from '../core/tokens.js';
export * from '../grammar/index.js';
export * from '../theory/index.js';
