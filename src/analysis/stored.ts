/** The latest results at the paper's scale, small enough to ship with the program. */
import type { DataPower, DataRow } from './data.js';
import type { LevelRow } from './levels.js';
import stored from './paperScale.json' with { type: 'json' };
import type { Analysis } from './results.js';

export interface StoredResults {
  made: string; // date, adapter, program
  command: string;
  summary: string[];
  data: DataRow[];
  dataPowers: DataPower[];
  levels: LevelRow[];
}

/** What `rhm reproduce --scale paper --keep FILE` writes. JSON cannot represent NaN and infinities: they become names. */
export function storedText(analysis: Analysis, made: string, command: string): string {
  const { summary, data, dataPowers, levels } = analysis;
  const results: StoredResults = { made, command, summary, data, dataPowers, levels };
  const rounded = (x: number) => Number(x.toPrecision(5));
  const text = (value: unknown) =>
    JSON.stringify(value, (_, x) => (typeof x !== 'number' ? x : Number.isFinite(x) ? rounded(x) : String(x)));
  const fields = Object.entries(results).map(([name, value]) => {
    const rows = Array.isArray(value) ? `[\n${value.map((row) => `  ${text(row)}`).join(',\n')}\n ]` : text(value);
    return ` ${JSON.stringify(name)}: ${rows}`;
  });
  return `{\n${fields.join(',\n')}\n}\n`; // one row per line, so that two versions can be compared
}

const NAMES: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: Infinity, '-Infinity': -Infinity };

export function parseStored(text: string): StoredResults {
  return JSON.parse(text, (_, value) => (typeof value === 'string' && value in NAMES ? NAMES[value] : value));
}

/** The results that come with this version. */
export const paperScale = (): StoredResults => parseStored(JSON.stringify(stored));
