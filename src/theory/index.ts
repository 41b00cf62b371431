export { type AlignedTree, alignTree } from './alignTree.js';
export { adjustedRandIndex, type Clustered, kMeans, type WeightedRows } from './cluster.js';
export {
  classificationComplexity,
  complexityScale,
  type Family,
  sampleComplexities,
  sampleComplexity,
  scalingExponent,
} from './complexity.js';
export { consistentTrees } from './consistentTrees.js';
export { contextDistributions } from './contexts.js';
export {
  commonLevel,
  covarianceWithLast,
  meanSquareCovariances,
  noiseFloor,
  refinedMeanSquare,
  rmsCovariances,
  simpleMeanSquare,
} from './covariance.js';
export { type Crossing, type CrossingPoint, crossingOf, nextProbes, type ProbeOptions } from './crossing.js';
export {
  beliefMap,
  type DenoisingOptions,
  type DenoisingPoint,
  denoisingCurve,
  denoisingThreshold,
  type LeafNoise,
  leafNoises,
  meanFieldThreshold,
} from './denoising.js';
export {
  type CovarianceOptions,
  CovarianceStream,
  type LevelCovariance,
  type Measured,
  NgramStream,
} from './empirical.js';
export { annealedPlateaus, contraction, ensemblePlateaus, hypergeometric } from './ensemble.js';
export { type FoundTree, findTree, isTrueLevel, treeComplexity } from './findTree.js';
export { divergence, type Judged, judge, type TwoPredictors, twoPredictors } from './heldOut.js';
export {
  type InferenceOptions,
  type InferredTrees,
  logLikelihoods,
  mostProbableTrees,
  type Posteriors,
  posteriors,
  type SampledTreesOptions,
  sampleTrees,
} from './inference.js';
export { examineGrammar, examineInstance, type InstanceTheory } from './instances.js';
export { type LastTokens, lastTokens } from './lastToken.js';
export { type LossOptions, type LossPlateaus, lossPlateaus } from './losses.js';
export { marginals, rootWeights, ruleWeights, transitions } from './marginals.js';
export { type MaskedOptions, type MaskedPlateaus, maskedLosses, maskedPlateaus } from './masked.js';
export type { Observation, Observations } from './observations.js';
export { exactPairs, PairCounts, type PairInformation } from './pairs.js';
export { zipfError, zipfExponent, zipfPlace } from './powerLaw.js';
export { exactLosses } from './predictor.js';
export { stepExcess } from './steps.js';
