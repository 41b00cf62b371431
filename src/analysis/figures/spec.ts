import type { SampleSentences } from '../correlations.js';
import type { Base, FindingRow, Results } from '../results.js';
import type { Run } from '../runs.js';
import type { Table } from '../tables.js';
import type { Canvas } from './paper.js';

/** Chapters of the report, in order. The first two are open. */
export const chapters = {
  inData: {
    title: 'In data',
    about:
      'Our comparison: grammars of different sizes, in distinct sentences, which is what the laws count. Each network is trained on P sentences to its best validation loss.',
    open: true,
  },
  levels: {
    title: 'The comparison in the paper',
    about: 'What the paper compares: the levels of one grammar, in one pass over fresh sentences at one batch size.',
    open: true,
  },
  onePass: {
    title: 'One pass over fresh sentences',
    about:
      'Grammars of different sizes in one pass, where the number of optimiser steps limits as well as the amount of data.',
    open: false,
  },
  representations: {
    title: 'Representations',
    about: 'When the layers of a network stop distinguishing synonyms.',
    open: false,
  },
  masked: {
    title: 'Masked tokens',
    about: 'Networks that predict masked tokens from both sides, and exact inference on the tree.',
    open: false,
  },
  correlations: {
    title: 'Correlations',
    about: 'The correlations that, according to theory, networks learn from, and their sampling noise.',
    open: false,
  },
  neighbours: {
    title: 'Neighbouring papers',
    about:
      'Predictions of other papers about the same grammars, measured in data: each network at its best validation loss.',
    open: false,
  },
};
export type ChapterName = keyof typeof chapters;

/** The inputs of results, in addition to the results that all figures share. */
export interface Inputs {
  runs: readonly Run[];
  /** Runs in data that differ from the others in rate, batch or width; empty if none were given. */
  control: readonly Run[];
  sample: SampleSentences | undefined; // absent: no sampled correlations
}

/**
 * One figure: its results, their comparison with theory, their tables, and how it is drawn in any document. Own: the return type of
 * `results`, which becomes part of every analysis. Needs: results of other figures.
 */
export interface FigureSpec<Own extends object = object, Needs extends object = object> {
  name: string;
  title: string;
  chapter: ChapterName;
  results?(shared: Base, inputs: Inputs): Own | Promise<Own>;
  /** Flat tables for CSV and Parquet; those without rows are left out. */
  tables?(analysis: Base & Own & Needs): Table[];
  /** Comparisons with theory, one folded table each in the report. */
  sections?: readonly { name: string; title: string; findings(analysis: Base & Own & Needs): FindingRow[] }[];
  /** Sentences for the head of the report. */
  summary?(analysis: Base & Own & Needs): string[];
  /** The paper's prediction, and the result of these runs. Called only for figures that could be drawn. */
  caption(analysis: Base & Own & Needs): { predicts: string; measured: string };
  /** The numbers of the figure, folded below it. */
  table?(analysis: Base & Own & Needs): FigureTable;
  /** An SVG element; undefined if the runs contain nothing to draw. */
  draw(analysis: Base & Own & Needs, canvas: Canvas): SVGSVGElement | undefined;
}

/** Lets the compiler infer the results of a figure from `results`; write it before its uses. */
export const figure = <Own extends object = object, Needs extends object = object>(spec: FigureSpec<Own, Needs>) =>
  spec;

/** What a figure adds to an analysis. */
export type ResultsOf<F> = F extends { results?: (shared: Base, inputs: Inputs) => infer Own } ? Awaited<Own> : object;

/** A figure as the report sees it. */
export type AnyFigure = FigureSpec<object, Results>;

/** Cells are text with plain formulas such as P_3 and m^2. */
export interface FigureTable {
  head: readonly string[];
  rows: readonly (readonly string[])[];
  note?: string;
}
