/** Results of the paper scale as they were last measured, small enough to go with the program. */
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

/** What `rhm reproduce --scale paper --keep FILE` writes. JSON has no text for NaN and infinities: they become names. */
export function storedText(analysis: Analysis, made: string, command: string): string {
  const { summary, data, dataPowers, levels } = analysis;
  const results: StoredResults = { made, command, summary, data, dataPowers, levels };
  const rounded = (x: number) => Number(x.toPrecision(5));
  return `${JSON.stringify(
    results,
    (_, value) => (typeof value !== 'number' ? value : Number.isFinite(value) ? rounded(value) : String(value)),
    1,
  )}\n`;
}

const NAMES: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: Infinity, '-Infinity': -Infinity };

export function parseStored(text: string): StoredResults {
  return JSON.parse(text, (_, value) => (typeof value === 'string' && value in NAMES ? NAMES[value] : value));
}

/** The results that came with this version. */
export const paperScale = (): StoredResults => parseStored(JSON.stringify(stored));
