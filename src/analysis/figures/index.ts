import { batchFigure } from './batch.js';
import { controlFigure, dataCurvesFigure, dataFigure, levelsFigure, storedDataFigure } from './data.js';
import { invarianceFigure, transitionsFigure } from './invariance.js';
import { collapseFigure, positionsFigure, ratiosFigure } from './laws.js';
import { curvesFigure, excessFigure } from './learning.js';
import { correlationsFigure, scalingFigure } from './more.js';
import type { FigureSpec } from './spec.js';

/** In the order of the report. */
export const figures: readonly FigureSpec[] = [
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
  correlationsFigure,
];

export type { Canvas } from './canvas.js';
export type { FigureSpec, FigureTable } from './spec.js';
export { pageTheme, type Theme, type ThemeName, themeCss, themes } from './theme.js';
