/** Reading what `rhm train` left in a folder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { parseRules } from '../core/parse-rules.js';
import type { Rules } from '../core/rules.js';
import { files } from '../training/folder.js';

export interface FinishedRun {
  experiment: Experiment;
  rules: Rules;
  checkpoint: Uint8Array;
  checkpointFile: string;
}

/** @throws InputError naming the file that is missing or damaged. */
export function readRun(folder: string): FinishedRun {
  const read = (file: string): Uint8Array => {
    try {
      return new Uint8Array(readFileSync(join(folder, file)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new InputError(`${join(folder, file)}: ${code}; pass the folder of a run made by rhm train`);
    }
  };
  const json = (file: string): unknown => {
    try {
      return JSON.parse(new TextDecoder().decode(read(file)));
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`${join(folder, file)}: ${(error as Error).message}; the file is damaged`);
    }
  };
  const experiment = parseExperiment(json(files.experiment));
  const rules = parseRules(json(files.rules));
  return { experiment, rules, checkpoint: read(files.checkpoint), checkpointFile: join(folder, files.checkpoint) };
}
