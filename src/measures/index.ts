import type { MeasureTable } from '../models/measure.js';
import { alignment } from './alignment.js';
import { gdv } from './gdv.js';
import { grammaticality } from './grammaticality.js';
import { holdout } from './holdout.js';
import { invariance } from './invariance.js';
import { norms } from './norms.js';
import { parsing } from './parsing.js';
import { probes } from './probes.js';
import { readout } from './readout.js';
import { validity } from './validity.js';

/** Every measure that an experiment may name. One line per measure. */
export const measures = {
  invariance,
  grammaticality,
  readout,
  norms,
  gdv,
  alignment,
  probes,
  validity,
  holdout,
  parsing,
} satisfies MeasureTable;
