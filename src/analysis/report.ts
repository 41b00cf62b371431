import { counted } from '../core/counted.js';
import { modelFacts } from '../core/modelFacts.js';
import { shapeName } from './curves.js';
import { type ChapterName, chapters, type FigureTable } from './figures/spec.js';
import { pageTheme, themeCss } from './figures/theme.js';
import { showEstimate, showInterval, showNumber } from './format.js';
import type { Analysis, Finding } from './results.js';
import type { Table } from './tables.js';

/** A figure of the report: drawn for wide and for narrow screens. */
export interface DrawnFigure {
  name: string;
  title: string;
  chapter: ChapterName;
  caption: { predicts: string; measured: string };
  wide: string; // SVG text, colours as the page's custom properties
  narrow: string;
  table?: FigureTable;
}

export interface ReportOptions {
  title: string;
  reproduces: boolean; // the runs are those of the paper's figures; false: the user's own runs, compared with the paper's theory
  sections: readonly { name: string; title: string }[]; // of the findings, in order
  tables: readonly Table[]; // links to data/NAME.csv and .parquet
  made: string; // date and program, for the foot
}

/** The report as one HTML page that loads nothing from a network. */
export function reportHtml(analysis: Analysis, drawn: readonly DrawnFigure[], options: ReportOptions): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escapeHtml(options.title)}</title>
<style>${themeCss()}${CSS}</style>
</head>
<body>
<main>
<h1>${escapeHtml(options.title)}</h1>
<p>${options.reproduces ? 'A reproduction' : 'These runs are compared with the theory'} of Cagnetta, Favero, Sclocchi and Wyart, <cite>Scaling Laws and Representation Learning in Simple Hierarchical Languages:
Transformers vs. Convolutional Architectures</cite>, <a href="https://arxiv.org/abs/2505.07070">arXiv:2505.07070</a>. A step of the loss, from H(ℓ-1) to
H(ℓ), takes P<sub>ℓ</sub> sentences; the theory predicts how P<sub>ℓ</sub> grows with m, the number of synonyms, but not the constant factor before it.</p>
<ul class="summary">${analysis.summary.map((line) => `<li>${typeset(line)}</li>`).join('')}</ul>
<p class="names">${networksHtml(analysis)} ${languagesHtml(analysis)}</p>
${Object.entries(chapters)
  .map((chapter) => chapterHtml(chapter, drawn))
  .join('\n')}
<h2 id="findings">Theory and measurement</h2>
<p>95% intervals: bootstrap over grammars (over replicas if there is one grammar), with Student's t. <b>Agrees</b>: the interval contains the
prediction. <b>Open</b>: a bound that allows it. A dash: theory predicts no value, or only up to a constant factor, or these runs cannot test it.</p>
${options.sections.map((section) => findingsHtml(analysis.findings, section)).join('\n')}
${notesHtml(analysis.notes)}
<h2 id="runs">Runs</h2>
${runsHtml(analysis)}
<h2 id="data">Data</h2>
<ul>${options.tables.map((t) => `<li><a href="data/${t.name}.csv">${t.name}.csv</a>, <a href="data/${t.name}.parquet">Parquet</a>: ${typeset(t.about)} (${counted(t.rows.length, 'row')})</li>`).join('')}</ul>
<footer>${escapeHtml(options.made)}</footer>
</main>
</body>
</html>
`;
}

/** The networks that occur, with their full names and descriptions. */
function networksHtml({ kinds }: Analysis): string {
  return [...new Set(kinds.values())]
    .map((kind) => {
      const { title, about } = modelFacts(kind);
      return `<b>${escapeHtml(title)}</b> (<code>${kind}</code>): ${escapeHtml(about)}.`;
    })
    .join(' ');
}

/** The sizes of grammars with the sizes of their languages. */
function languagesHtml({ curves }: Analysis): string {
  const sizes = new Map(curves.map((c) => [shapeName(c.shape), c.sentences]));
  if (!sizes.size) return '';
  return `Languages: ${[...sizes].map(([name, sentences]) => `${name}, ${showNumber(sentences)} distinct sentences`).join('; ')}.`;
}

type Chapter = [string, (typeof chapters)[ChapterName]];

function chapterHtml([name, { title, about, open }]: Chapter, drawn: readonly DrawnFigure[]): string {
  // Without curves in data, the figures of that chapter show one pass, so they belong to the chapter about it.
  const onePass = !drawn.some((f) => f.name === 'data');
  const own = drawn.filter((f) => (onePass && f.chapter === 'inData' ? 'onePass' : f.chapter) === name);
  if (!own.length) return '';
  const isOpen = open || onePass;
  return `<details class="chapter"${isOpen ? ' open' : ''}><summary><h2>${title}</h2></summary><p>${about}</p>${own.map(figureHtml).join('\n')}</details>`;
}

function figureHtml(f: DrawnFigure): string {
  return `<figure id="${f.name}"><h3>${typeset(f.title)}</h3>
<div class="wide">${f.wide}</div><div class="narrow">${f.narrow}</div>
<figcaption><p><b>Predicted:</b> ${typeset(f.caption.predicts)}</p><p><b>Measured:</b> ${typeset(f.caption.measured)}</p></figcaption>${f.table?.rows.length ? tableHtml(f.table) : ''}</figure>`;
}

function tableHtml({ head, rows, note }: FigureTable): string {
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${typeset(cell)}</td>`).join('')}</tr>`).join('');
  const below = note ? `<p>${typeset(note)}</p>` : '';
  return `<details><summary>Numbers (${rows.length})</summary><div class="scroll"><table><thead><tr>${head.map((h) => `<th>${typeset(h)}</th>`).join('')}</tr></thead><tbody>${body}</tbody></table></div>${below}</details>`;
}

function findingsHtml(findings: readonly Finding[], { name, title }: ReportOptions['sections'][0]): string {
  const own = findings.filter((f) => f.section === name);
  if (!own.length) return '';
  const rows = own.map(
    (f) =>
      `<tr><td class="${f.verdict.replace(' ', '')}">${verdictMark[f.verdict]}${f.verdict}</td><td>${typeset(f.quantity)}</td><td class="n">${escapeHtml(showValue(f))}</td><td class="n">${escapeHtml(showInterval(f.measured))}</td><td class="n">${showNumber(f.predicted)}</td><td>${escapeHtml(f.where)}</td><td>${typeset(f.comment)}</td></tr>`,
  );
  return `<details><summary><h3>${typeset(title)} (${own.length})</h3></summary><div class="scroll"><table><thead><tr><th>verdict</th><th>quantity</th><th class="n">measured</th><th class="n">95% interval</th><th class="n">predicted</th><th>where</th><th>comment</th></tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`;
}

const verdictMark: Record<Finding['verdict'], string> = {
  agrees: '✓ ',
  disagrees: '✗ ',
  open: '○ ',
  'no interval': '',
  '-': '',
};

const showValue = ({ measured }: Finding) => showEstimate({ ...measured, low: Number.NaN, high: Number.NaN });

function notesHtml(notes: readonly string[]): string {
  if (!notes.length) return '';
  return `<h2 id="notes">Notes</h2><ul class="notes">${notes.map((n) => `<li>${escapeHtml(n)}</li>`).join('')}</ul>`;
}

function runsHtml({ runs }: Analysis): string {
  const rows = runs.map(
    (r) =>
      `<tr><td><code>${escapeHtml(r.path)}</code></td><td>${escapeHtml(r.series)}</td><td>${escapeHtml(shapeName(r.shape))}</td><td class="n">${r.replicas}</td><td>${r.status}</td><td class="n">${showNumber(r.samples)}</td><td class="n">${showNumber(r.loss)}</td><td class="n">${showNumber(r.floor)}</td><td class="n">${(r.elapsedMs / 1000).toFixed(1)}</td><td>${escapeHtml([r.adapter, r.executor].filter(Boolean).join(', '))}</td><td><details><summary>${escapeHtml(r.hash.slice(0, 12) || 'show')}</summary><pre>${escapeHtml(JSON.stringify(r.experiment, null, 1))}</pre></details></td></tr>`,
  );
  return `<details><summary>${counted(runs.length, 'run')}</summary><div class="scroll"><table><thead><tr><th>folder</th><th>series</th><th>grammar</th><th class="n">replicas</th><th>status</th><th class="n">P</th><th class="n">test loss</th><th class="n">H(L)</th><th class="n">seconds</th><th>adapter</th><th>experiment</th></tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`;
}

/** Plain formulas as HTML: P_3, m^(ell+1), s^ell. */
export function typeset(text: string): string {
  const argument = '(\\([^()]*\\)|-?[\\w.]*\\w)';
  return escapeHtml(text)
    .replace(new RegExp(`\\b([A-Z])_${argument}`, 'g'), (_, base, index) => `${base}<sub>${bare(index)}</sub>`)
    .replace(new RegExp(`\\^${argument}`, 'g'), (_, power) => `<sup>${bare(power)}</sup>`)
    .replace(/\bell\b/g, 'ℓ')
    .replace(/\balpha\b/g, 'α');
}

const bare = (text: string) => text.replace(/^\((.*)\)$/, '$1');

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const CSS = `
body{margin:0;background:${pageTheme.paper};color:${pageTheme.ink};font:15px/1.5 system-ui,"DejaVu Sans",sans-serif}
main{max-width:920px;margin:0 auto;padding:20px 20px 60px}
h1{font-size:1.6em;line-height:1.25;margin:.4em 0}h2{font-size:1.2em;margin:2em 0 .5em}h3{font-size:1em;margin:1.5em 0 .4em}
figure{margin:0;padding:0}figcaption{font-size:13px;color:${pageTheme.muted}}figcaption p{margin:.5em 0;overflow-wrap:anywhere}figcaption b{color:${pageTheme.ink}}
svg{max-width:100%;height:auto;display:block}
.narrow{display:none}@media(max-width:700px){.wide{display:none}.narrow{display:block}main{padding:12px 12px 40px}}
.summary{border-left:4px solid ${pageTheme.palette[0]};padding:.4em 1em .4em 1.8em;margin:1em 0}.summary li,.notes li{overflow-wrap:anywhere}
sub,sup{font-size:.78em;line-height:0}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px;width:100%}
th{text-align:left;font-weight:600;border-bottom:1px solid ${pageTheme.muted};white-space:nowrap}td,th{padding:4px 10px 4px 0;vertical-align:top}
td{border-bottom:1px solid color-mix(in srgb,${pageTheme.muted} 25%,transparent)}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
#findings~details td:first-child{white-space:nowrap}.names{font-size:13px}.agrees{color:${pageTheme.palette[2]};font-weight:600}.disagrees{color:${pageTheme.palette[1]};font-weight:600}
a{color:${pageTheme.palette[0]}}code,pre{font-size:12px}pre{margin:.3em 0;max-width:340px;white-space:pre-wrap}summary{cursor:pointer}summary h2,summary h3{display:inline-block}.chapter>summary h2{margin:1.2em 0 .2em}
.notes,footer{font-size:13px;color:${pageTheme.muted}}footer{margin-top:3em}
`;
