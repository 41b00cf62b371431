/** The rounds of a grid with a search. They are separate from the grid, which pages expand without needing regressions. */
import type { Grid, SweepRun } from './grid.js';
import { searchesOf } from './gridSearch.js';
import { type Found, runSearches, type SearchHooks } from './search.js';

/** Searches all curves of a grid, started as its part `search` specifies. */
export async function runGridSearch(grid: Pick<Grid, 'search' | 'runs'>, hooks: SearchHooks): Promise<Found[]> {
  const searches = searchesOf(grid);
  if (!grid.search?.predict) return runSearches(searches, hooks);
  const { guideFor } = await import('./guide.js'); // includes a library of matrices
  return runSearches(searches, { guide: guideFor(searches), ...hooks });
}

/** The runs that a search has requested so far, as far as the records reach; nothing is trained. */
export async function askedRuns(grid: Grid, records: SearchHooks['records']): Promise<readonly SweepRun[]> {
  if (!grid.search) return grid.runs;
  const asked: SweepRun[] = [];
  await runGridSearch(grid, {
    train: async (runs) => {
      asked.push(...runs);
      return true;
    },
    records,
  });
  return asked;
}
