/** Reads a whole run, for commands that show few runs. */
import { type Overview, overviewOf } from '../../analysis/overview.js';
import { type Run, readRun } from '../../analysis/runs.js';
import { type Experiment, parseExperiment } from '../../core/experiment.js';
import { readRunFolder } from '../../platform/runFolders.js';
import type { ListedRun } from '../../platform/runList.js';
import { checkRun } from '../../training/integrity.js';

export interface WholeRun {
  listed: ListedRun;
  run: Run;
  overview: Overview;
  faults: string[];
}

/** @throws InputError if its experiment or its rules cannot be read. */
export async function readWhole(listed: ListedRun): Promise<WholeRun> {
  const files = readRunFolder(listed.path);
  const run = readRun(files);
  const { faults } = await checkRun({ ...files, name: listed.path });
  return { listed, run, overview: overviewOf(run), faults };
}

export type Settings = Record<string, string | number | boolean | null>;

/** Dotted fields of an experiment; lists as JSON. */
export function flatSettings(experiment: object): Settings {
  const found: Settings = {};
  const visit = (value: unknown, path: string) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [key, inner] of Object.entries(value)) visit(inner, path ? `${path}.${key}` : key);
    else if (value !== undefined)
      found[path] = Array.isArray(value) ? JSON.stringify(value) : (value as Settings[string]);
  };
  visit(experiment, '');
  return found;
}

/** Fields in which experiments differ, in the order of the first experiment that has them. */
export function differingFields(all: readonly Settings[]): string[] {
  const names = [...new Set(all.flatMap((one) => Object.keys(one)))];
  return names.filter((name) => new Set(all.map((one) => one[name])).size > 1);
}

/** Fields that differ from the defaults of the model's kind. */
export function settingsOf(experiment: Experiment): Settings {
  const own = flatSettings(experiment);
  const plain = flatSettings(parseExperiment({ model: experiment.model.kind }));
  return Object.fromEntries(Object.entries(own).filter(([name, value]) => plain[name] !== value));
}

export const settingText = (value: Settings[string] | undefined): string => {
  const text = value === undefined ? '-' : String(value);
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
};
