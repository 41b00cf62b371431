import { batchFigure } from './batch.js';
import { invarianceFigure, transitionsFigure } from './invariance.js';
import { collapseFigure, positionsFigure, ratiosFigure } from './laws.js';
import { curvesFigure, excessFigure } from './learning.js';
import { correlationsFigure, scalingFigure } from './more.js';
import type { FigureSpec } from './spec.js';

/** In the order of the report. */
export const figures: readonly FigureSpec[] = [
  curvesFigure,
  positionsFigure,
  ratiosFigure,
  excessFigure,
  scalingFigure,
  collapseFigure,
  batchFigure,
  invarianceFigure,
  transitionsFigure,
  correlationsFigure,
];

export type { Canvas } from './canvas.js';
export type { FigureSpec } from './spec.js';
export { pageTheme, type Theme, type ThemeName, themeCss, themes } from './theme.js';
