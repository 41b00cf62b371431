import { batchFigure } from './batch.js';
import { classesFigure } from './classes.js';
import { collapseFigure } from './collapse.js';
import { contextFigure } from './context.js';
import { controlFigure } from './control.js';
import { correlationsFigure } from './correlations.js';
import { curvesFigure } from './curves.js';
import { dataFigure } from './data.js';
import { dataCurvesFigure } from './dataCurves.js';
import { denoisingFigure } from './denoising.js';
import { excessFigure } from './excess.js';
import { holdoutFigure } from './holdout.js';
import { invarianceFigure } from './invariance.js';
import { levelsFigure } from './levels.js';
import { maskedFigure } from './masked.js';
import { storedDataFigure } from './paperData.js';
import { parseFigure } from './parse.js';
import { positionsFigure } from './positions.js';
import { powerLawFigure } from './powerLaw.js';
import { probesFigure } from './probes.js';
import { ratiosFigure } from './ratios.js';
import { representationFigure } from './representation.js';
import { scalingFigure } from './scaling.js';
import type { AnyFigure, ResultsOf } from './spec.js';
import { transitionsFigure } from './transitions.js';
import { wiringFigure } from './wiring.js';

/** In the order of the report. One file and one line per figure. */
const table = [
  dataFigure,
  dataCurvesFigure,
  ratiosFigure,
  collapseFigure,
  controlFigure,
  storedDataFigure,
  levelsFigure,
  curvesFigure,
  positionsFigure,
  excessFigure,
  scalingFigure,
  batchFigure,
  invarianceFigure,
  transitionsFigure,
  probesFigure,
  representationFigure,
  maskedFigure,
  denoisingFigure,
  correlationsFigure,
  contextFigure,
  classesFigure,
  powerLawFigure,
  wiringFigure,
  parseFigure,
  holdoutFigure,
] as const;

type All<Union> = (Union extends unknown ? (part: Union) => void : never) extends (part: infer Whole) => void
  ? Whole
  : never;
/** The results of all figures. */
export type FigureResults = All<ResultsOf<(typeof table)[number]>>;

export const figures: readonly AnyFigure[] = table;

export type { Canvas } from './paper.js';
export { chapters, type FigureSpec, type FigureTable } from './spec.js';
export { pageTheme, type Theme, type ThemeName, themeCss, themes } from './theme.js';
