import type { Theme } from './theme.js';

/** The surface on which figures are drawn: the page's document, or a server-side one. */
export interface Canvas {
  document: Document;
  theme: Theme;
  width: number; // pixels; below 560 panels are stacked
}
