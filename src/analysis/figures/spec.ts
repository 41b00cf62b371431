import type { Analysis } from '../results.js';
import type { Canvas } from './canvas.js';

/** One figure: what it is called, what its caption says, and how it is drawn wherever there is a document. */
export interface FigureSpec {
  name: string;
  title: string;
  /** What the paper predicts, and what these runs gave. Only called for figures that could be drawn. */
  caption: (analysis: Analysis) => { predicts: string; measured: string };
  /** The numbers behind it, shown folded below. */
  table?: (analysis: Analysis) => FigureTable;
  /** An SVG element, or undefined where the runs hold nothing to draw. */
  draw: (analysis: Analysis, canvas: Canvas) => SVGSVGElement | undefined;
}

/** Cells are text with plain formulas such as P_3 and m^2. */
export interface FigureTable {
  head: readonly string[];
  rows: readonly (readonly string[])[];
  note?: string;
}
