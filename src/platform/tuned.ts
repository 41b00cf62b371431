/** The cache of `rhm tune`: one JSON file per adapter. A missing, damaged or foreign file counts as empty, with a warning. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AdapterSummary } from '../gpu/device.js';
import { cacheFolder } from './cache.js';
import { renameOver } from './durable.js';

const VERSION = 2;

function fileOf(info: AdapterSummary): string {
  return join(cacheFolder(process.env), `tuned-${`${info.name} ${info.driver}`.replace(/[^a-z0-9.]+/gi, '-')}.json`);
}

/** Adds winners to the adapter's file. @returns its path */
export function saveTuned(info: AdapterSummary, winners: ReadonlyMap<string, string>): string {
  const file = fileOf(info);
  const all = { ...Object.fromEntries(loadTuned(info)), ...Object.fromEntries(winners) };
  mkdirSync(dirname(file), { recursive: true });
  const beside = `${file}.${process.pid}.tmp`;
  writeFileSync(
    beside,
    JSON.stringify({ version: VERSION, adapter: info.name, driver: info.driver, winners: all }, null, 2),
  );
  renameOver(beside, file);
  return file;
}

/** Winners of earlier `rhm tune` runs on this adapter and driver. */
export function loadTuned(info: AdapterSummary, report: (line: string) => void = () => {}): Map<string, string> {
  const file = fileOf(info);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return new Map();
  }
  try {
    const { version, driver, winners } = JSON.parse(text);
    if (version !== VERSION || driver !== info.driver) throw new Error('it is of another version or driver');
    if (typeof winners !== 'object' || !Object.values(winners).every((v) => typeof v === 'string'))
      throw new Error('no winners');
    return new Map(Object.entries(winners as Record<string, string>));
  } catch (error) {
    report(`${file}: ignored, ${(error as Error).message}; run rhm tune again`);
    return new Map();
  }
}
