import { collapseFigure, positionsFigure, ratiosFigure } from './laws.js';
import { curvesFigure, excessFigure } from './learning.js';
import { correlationsFigure, invarianceFigure, scalingFigure } from './more.js';
import type { FigureSpec } from './spec.js';

/** In the order of the report. */
export const figures: readonly FigureSpec[] = [
  curvesFigure,
  positionsFigure,
  ratiosFigure,
  excessFigure,
  scalingFigure,
  collapseFigure,
  invarianceFigure,
  correlationsFigure,
];

export type { Canvas } from './canvas.js';
export type { FigureSpec } from './spec.js';
export { pageTheme, type Theme, type ThemeName, themeCss, themes } from './theme.js';
