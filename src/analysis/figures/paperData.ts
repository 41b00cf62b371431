import { dataFigure } from './data.js';
import { figure } from './spec.js';

/** The same figure at the paper's scale, from stored results, shown together with a small scale. */
export const storedDataFigure = figure({
  name: 'paperData',
  title: "At the paper's scale: stored results",
  chapter: 'inData',
  caption: ({ stored }) => ({
    predicts: 'as above, for v = 16 and 32.',
    measured: `not measured by these runs: ${stored!.made}; ${stored!.command} measures it again.`,
  }),
  table: (analysis) => dataFigure.table!({ ...analysis, data: analysis.stored!.data }),
  draw: (analysis, canvas) =>
    analysis.stored?.data.length ? dataFigure.draw({ ...analysis, data: analysis.stored.data }, canvas) : undefined,
});
