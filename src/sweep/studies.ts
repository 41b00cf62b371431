import { classSearches } from './classStudy.js';
import { contextSearches } from './contextStudy.js';
import { dataSearches } from './dataStudy.js';
import type { Scale } from './plannedGrammars.js';
import type { PlannedSearch, SearchedFigure } from './plannedSearch.js';
import { powerLawSearches } from './powerLawStudy.js';

const studies: readonly ((scale: Scale) => PlannedSearch[])[] = [
  dataSearches,
  contextSearches,
  classSearches,
  powerLawSearches,
];

/** The curves in data that figures need; other figures have none. */
export const planSearches = (scale: Scale, figures: readonly string[]): PlannedSearch[] =>
  studies.flatMap((study) => study(scale)).filter(({ figure }) => figures.includes(figure satisfies SearchedFigure));
