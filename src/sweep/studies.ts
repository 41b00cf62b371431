import { classSearches } from './classStudy.js';
import { contextSearches } from './contextStudy.js';
import { dataSearches } from './dataStudy.js';
import type { Scale } from './plannedGrammars.js';
import type { PlannedSearch, SearchedFigure } from './plannedSearch.js';
import { powerLawSearches } from './powerLawStudy.js';
import { wiringSearches } from './wiringStudy.js';

const studies: Record<SearchedFigure, (scale: Scale) => PlannedSearch[]> = {
  data: (scale) => dataSearches(scale, 'data'),
  control: (scale) => dataSearches(scale, 'control'),
  context: contextSearches,
  classes: classSearches,
  powerLaw: powerLawSearches,
  wiring: wiringSearches,
};

/** The curves in data that figures need; other figures have none. */
export const planSearches = (scale: Scale, figures: readonly string[]): PlannedSearch[] =>
  Object.entries(studies).flatMap(([figure, study]) => (figures.includes(figure) ? study(scale) : []));
