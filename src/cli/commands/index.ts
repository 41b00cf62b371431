/** The table of commands, in the order of `rhm --help`. */
import type { AddCommand } from '../context.js';
import { addAnalyze } from './analyze.js';
import { addBench } from './bench.js';
import { addCluster } from './cluster.js';
import { addCorrelations } from './correlations.js';
import { addDoctor } from './doctor.js';
import { addExport } from './export.js';
import { addGenerate } from './generate.js';
import { addPredict } from './predict.js';
import { addPython } from './python.js';
import { addReproduce } from './reproduce.js';
import { addRules } from './rules.js';
import { addSample } from './sample.js';
import { addServe } from './serve.js';
import { addSweep } from './sweep.js';
import { addTheory } from './theory.js';
import { addTrain } from './train.js';
import { addTune } from './tune.js';
import { addVerify } from './verify.js';

export const commands: readonly AddCommand[] = [
  addDoctor,
  addRules,
  addSample,
  addTheory,
  addCorrelations,
  addCluster,
  addTrain,
  addSweep,
  addExport,
  addGenerate,
  addPredict,
  addAnalyze,
  addReproduce,
  addServe,
  addPython,
  addVerify,
  addBench,
  addTune,
];
