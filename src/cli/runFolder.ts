/** Reading what `rhm train` left in a folder. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DamageError, InputError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { files, parseJson } from '../core/outside.js';
import { parseRules } from '../core/parseRules.js';
import type { Rules } from '../core/rules.js';
import { hashIn } from '../platform/runFolders.js';
import { checkRun } from '../training/integrity.js';

export interface FinishedRun {
  experiment: Experiment;
  rules: Rules;
  checkpoint: Uint8Array;
  checkpointFile: string;
}

/** @throws InputError naming the file that is missing; DamageError naming those that are not as they were written. */
export async function readRun(folder: string, report: (line: string) => void): Promise<FinishedRun> {
  const read = (file: string): Uint8Array => {
    try {
      return new Uint8Array(readFileSync(join(folder, file)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new InputError(`${join(folder, file)}: ${code}; pass the folder of a run made by rhm train`);
    }
  };
  const json = (file: string): unknown => parseJson(read(file), join(folder, file));
  const text = (file: string) => new TextDecoder().decode(read(file));
  const [experiment, rules] = [text(files.experiment), text(files.rules)];
  const checkpoint = read(files.checkpoint);
  const records = existsSync(join(folder, files.records)) ? text(files.records) : undefined;
  const hash = hashIn(folder);
  const { faults, unchecked } = await checkRun({ name: folder, hash, experiment, rules, records, checkpoint });
  const isOfRecords = (fault: string) => fault.startsWith(`${folder}/${files.records}: `);
  const fatal = faults.filter((fault) => !isOfRecords(fault));
  if (fatal.length) throw new DamageError(fatal.join('; '));
  for (const fault of faults) report(`${fault}; the weights are whole`);
  if (unchecked.length) report(`${folder}: ${unchecked.join(' and ')} unchecked: written by a version without digests`);
  return {
    experiment: parseExperiment(json(files.experiment)),
    rules: parseRules(json(files.rules)),
    checkpoint,
    checkpointFile: join(folder, files.checkpoint),
  };
}
