/** The table of commands, in the order of `rhm --help`. */
import type { AddCommand } from '../context.js';
import { addAnalyze } from './analyze.js';
import { addBench } from './bench.js';
import { addCluster } from './cluster.js';
import { addCompare } from './compare.js';
import { addCompletion } from './completion.js';
import { addCorrelations } from './correlations.js';
import { addDenoise } from './denoise.js';
import { addDoctor } from './doctor.js';
import { addExport } from './export.js';
import { addFields } from './fields.js';
import { addGenerate } from './generate.js';
import { addHoldout } from './holdout.js';
import { addInfer } from './infer.js';
import { addNames } from './names.js';
import { addPredict } from './predict.js';
import { addPython } from './python.js';
import { addRecording } from './recording.js';
import { addReproduce } from './reproduce.js';
import { addRules } from './rules.js';
import { addRuns } from './runs.js';
import { addSample } from './sample.js';
import { addSchema } from './schema.js';
import { addServe } from './serve.js';
import { addShow } from './show.js';
import { addSweep } from './sweep.js';
import { addTheory } from './theory.js';
import { addTrain } from './train.js';
import { addTree } from './tree.js';
import { addTune } from './tune.js';
import { addVerify } from './verify.js';
import { addWatch } from './watch.js';

export const commands: readonly AddCommand[] = [
  addDoctor,
  addRules,
  addSample,
  addTheory,
  addInfer,
  addDenoise,
  addCorrelations,
  addCluster,
  addTree,
  addHoldout,
  addTrain,
  addNames,
  addFields,
  addSweep,
  addRuns,
  addShow,
  addCompare,
  addWatch,
  addExport,
  addGenerate,
  addPredict,
  addAnalyze,
  addReproduce,
  addRecording,
  addSchema,
  addServe,
  addPython,
  addVerify,
  addBench,
  addTune,
  addCompletion,
];
