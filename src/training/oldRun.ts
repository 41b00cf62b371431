import { contentHash } from '../core/canonical.js';
import { DamageError, InputError } from '../core/errors.js';
import { type InspectedRecords, inspectRecords, type RunRecord } from '../core/records.js';
import { files } from './folder.js';
import { hashOf } from './integrity.js';
import type { GroupRun } from './run.js';

/** Contents of a folder when its run was opened. records: up to the first bad line. */
export interface OldRun {
  checkpoint?: Uint8Array;
  parsed: InspectedRecords;
  records: RunRecord[];
}

/** Reads the folder; refuses a run of another experiment, and an existing run without `resume`. */
export async function examine({ folder, resume }: GroupRun, mine: string): Promise<OldRun> {
  const experiment = await folder.read(files.experiment);
  const checkpoint = await folder.read(files.checkpoint);
  const text = new TextDecoder().decode(await folder.read(files.records));
  const parsed = inspectRecords(text);
  // Records after a bad line are made again, if the checkpoint does not rely on them.
  const records = parsed.records.slice(0, parsed.intact);
  const owner = hashOf(records);
  if (experiment) {
    const file = `${folder.name}/${files.experiment}`;
    const remedy = 'restore it, or remove it and continue with --resume';
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(experiment));
    } catch (cause) {
      const what = `${file}: not JSON, the file is damaged; ${remedy}, or choose another --out`;
      throw new DamageError(what, { cause });
    }
    const hash = await contentHash(value);
    if (hash !== mine && owner === mine)
      throw new DamageError(
        `${file}: contains experiment ${hash}, the records are of ${mine}: it was changed; ${remedy}`,
      );
    if (hash !== mine)
      throw new InputError(
        `${folder.name}: contains experiment ${hash}, this one is ${mine}; choose another folder with --out`,
      );
  } else if (owner !== mine && text.trim() && !(checkpoint && !owner))
    throw new InputError(
      `${folder.name}: contains ${files.records} of ${owner ? `experiment ${owner}` : 'something else'}, this experiment is ${mine}; choose another folder with --out`,
    );
  if (!resume && (experiment || checkpoint || text.trim()))
    throw new InputError(
      `${folder.name}: contains ${experiment || owner ? 'this run' : 'a run'} already; continue it with --resume, or choose another --out`,
    );
  return { checkpoint, parsed, records };
}

/** The digest of the run's initial weights. @throws InputError if the given weights are different. */
export function sameInit(
  { folder }: GroupRun,
  { records }: OldRun,
  checkpoint: { init?: string } | undefined,
  given: string | undefined,
): string | undefined {
  const last = checkpoint ?? records.findLast((r) => r.type === 'start');
  if (!last || last.init === given) return given;
  // A checkpoint contains all weights: the file with the initial weights is no longer needed.
  if (checkpoint && given === undefined) return checkpoint.init;
  const name = (digest: string | undefined) => (digest ? `the weights ${digest}` : 'weights drawn from its seed');
  throw new InputError(
    `${folder.name}: this run began with ${name(last.init)}, now it is given ${name(given)}; ` +
      'resume it with the --init that it began with, or choose another --out',
  );
}
