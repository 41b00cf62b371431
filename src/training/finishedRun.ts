/** The files of a run that has weights, read and checked. */
import { DamageError, InputError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { parseJson } from '../core/outside.js';
import { parseRules } from '../core/parseRules.js';
import type { Rules } from '../core/rules.js';
import { files } from './folder.js';
import { checkRun } from './integrity.js';

export interface FinishedRun {
  experiment: Experiment;
  rules: Rules;
  checkpoint: Uint8Array;
  checkpointFile: string;
}

/**
 * folder: for messages. read: returns the bytes of one of its files; undefined: there is none. hash: of the run, if it is the
 * folder's name. report: called with faults of the records if the weights are intact.
 * @throws InputError naming the file that is missing; DamageError naming files that have changed since they were written.
 */
export async function readFinishedRun(
  folder: string,
  read: (file: string) => Promise<Uint8Array | undefined>,
  { hash, report }: { hash?: string; report?: (line: string) => void } = {},
): Promise<FinishedRun> {
  const at = (file: string) => `${folder}/${file}`;
  const bytes = async (file: string): Promise<Uint8Array> => {
    const found = await read(file);
    if (!found) throw new InputError(`${at(file)}: not found; pass the folder of a run made by rhm train`);
    return found;
  };
  const text = new TextDecoder();
  const experiment = text.decode(await bytes(files.experiment));
  const rules = text.decode(await bytes(files.rules));
  const checkpoint = await bytes(files.checkpoint);
  const records = await read(files.records).then((found) => found && text.decode(found));
  const { faults, unchecked } = await checkRun({ name: folder, hash, experiment, rules, records, checkpoint });
  const fatal = faults.filter((fault) => !fault.startsWith(`${at(files.records)}: `));
  if (fatal.length) throw new DamageError(fatal.join('; '));
  for (const fault of faults) report?.(`${fault}; the weights are intact`);
  if (unchecked.length)
    report?.(`${folder}: ${unchecked.join(' and ')} unchecked: written by a version without digests`);
  return {
    experiment: parseExperiment(parseJson(experiment, at(files.experiment))),
    rules: parseRules(parseJson(rules, at(files.rules))),
    checkpoint,
    checkpointFile: at(files.checkpoint),
  };
}
