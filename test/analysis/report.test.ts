import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as Plot from '@observablehq/plot';
import { parquetReadObjects } from 'hyparquet';
import { parseHTML } from 'linkedom';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import { compose, logTicks, tickedAxis, unicodeFormula } from '../../src/analysis/figures/canvas.js';
import { figures, pageTheme, themes } from '../../src/analysis/figures/index.js';
import { typeset } from '../../src/analysis/report.js';
import type { Analysis } from '../../src/analysis/results.js';
import { type Table, tablesOf, toCsv, toParquet } from '../../src/analysis/tables.js';
import { draw, writeReport } from '../../src/platform/report.js';
import { syntheticAnalysis } from '../support/syntheticAnalysis.js';
import { syntheticStudy } from '../support/syntheticRuns.js';

const test = suite('analysis report');
let analysis: Analysis;
const folder = mkdtempSync(join(tmpdir(), 'rhm-report-'));

test.before(async () => {
  analysis = await syntheticAnalysis();
});
test.after(() => rmSync(folder, { recursive: true }));

for (const { name } of figures)
  test(`figure ${name}: finite shapes, axes with labels and ticks, both widths and themes`, () => {
    for (const [theme, width] of [
      [themes.light, 880],
      [themes.dark, 880],
      [pageTheme, 360],
    ] as const) {
      const svg = draw(name, analysis, theme, width)!;
      assert.ok(svg, 'was not drawn');
      assert.not.match(svg, /NaN|undefined|Infinity/);
      const { document } = parseHTML(svg);
      const panels = [...document.querySelectorAll('svg > svg')];
      assert.ok(panels.length > 0);
      for (const panel of panels) {
        for (const axis of ['x', 'y']) {
          assert.ok(
            panel.querySelectorAll(`[aria-label="${axis}-axis tick label"] text`).length >= 2,
            `${axis} has no ticks`,
          );
          assert.ok(panel.querySelector(`[aria-label="${axis}-axis label"]`)?.textContent, `${axis} has no label`);
        }
        assert.ok(
          panel.querySelectorAll(
            '[aria-label=line] path, [aria-label=dot] path, [aria-label=dot] circle, [aria-label=cell] rect',
          ).length > 0,
          'nothing is drawn',
        );
      }
    }
  });

test('every tick of an axis of whole numbers has its label', () => {
  for (const values of [
    [2, 4, 8],
    [2, 3, 4, 8, 16],
    [4, 8, 16, 32, 128],
    [1, 3, 7, 9, 90],
  ]) {
    const { document } = parseHTML('<!doctype html><html><body></body></html>');
    const canvas = { document: document as unknown as Document, theme: themes.light, width: 880 };
    const marks = [
      Plot.dot(
        values.map((x) => ({ x })),
        { x: 'x' },
      ),
    ];
    const svg = compose(canvas, [{ title: '', options: { x: tickedAxis(values, 'm', 'log'), marks } }], 1, 200, []);
    const labels = [...svg.querySelectorAll('[aria-label="x-axis tick label"] text')].map((t) => t.textContent);
    assert.equal(labels, values.map(String));
  }
});

test('tick labels do not run into each other', () => {
  for (const { name } of figures)
    for (const width of [880, 360]) {
      const { document } = parseHTML(draw(name, analysis, themes.light, width)!);
      for (const panel of document.querySelectorAll('svg > svg')) {
        const labels = [...panel.querySelectorAll('[aria-label="x-axis tick label"] text')];
        const boxes = labels.map((t) => {
          const x = Number(/translate\(([\d.]+)/.exec(t.getAttribute('transform') ?? '')![1]);
          return { x, half: (t.textContent!.length * 6.7) / 2 }; // 10.5 px digits of DejaVu Sans are 6.7 px wide
        });
        boxes.sort((a, b) => a.x - b.x);
        boxes.slice(1).forEach((b, i) => {
          assert.ok(
            boxes[i].x + boxes[i].half < b.x - b.half,
            `${name} at ${width}: ${labels.map((l) => l.textContent)}`,
          );
        });
      }
    }
});

test('every character of every figure is in the font that PNG files are drawn with', () => {
  const has = glyphsOf(readFileSync('node_modules/dejavu-fonts-ttf/ttf/DejaVuSans.ttf'));
  assert.ok(has(0x41) && has(0x3b1) && !has(0x4e00), 'the font table is misread'); // A, alpha, no Chinese
  for (const { name } of figures) {
    const { document } = parseHTML(draw(name, analysis, themes.light, 880)!);
    const text = [...document.querySelectorAll('text')].map((t) => t.textContent).join('');
    assert.ok(text.length > 20);
    for (const c of text) assert.ok(has(c.codePointAt(0)!), `${name}: no glyph for ${c}`);
  }
});

test('log ticks: decades, or finer if the range is short', () => {
  assert.equal(logTicks([50, 2e6]), [100, 1e3, 1e4, 1e5, 1e6]);
  assert.equal(logTicks([9, 45]), [10, 20]);
  for (const range of [
    [1, 1.6],
    [3, 8],
    [0.02, 0.5],
    [5, 5e9],
  ] as const)
    assert.ok(logTicks(range).length >= 2 && logTicks(range).length <= 9, `${range}: ${logTicks(range)}`);
});

test('captions and formulas', () => {
  for (const f of figures) {
    const { predicts, measured } = f.caption(analysis);
    assert.ok(predicts.length > 20 && measured.length > 30, f.name);
    assert.not.match(predicts + measured, /NaN|undefined/);
  }
  assert.is(
    typeset('P_3 grows like m^(ell+1), m^-0.5 <x>'),
    'P<sub>3</sub> grows like m<sup>ℓ+1</sup>, m<sup>-0.5</sup> &lt;x&gt;',
  );
  assert.is(typeset('P^-alpha'), 'P<sup>-α</sup>');
  assert.is(unicodeFormula('P_12 (1-f) / v, alpha, ell'), 'P₁₂ (1-f) / v, α, ℓ');
});

test('CSV and Parquet contain the same numbers, as read by other programs', async () => {
  const tables = tablesOf(analysis);
  assert.ok(tables.length >= 9);
  for (const table of tables) {
    const bytes = await toParquet(table);
    const back = await parquetReadObjects({ file: bytes.buffer as ArrayBuffer });
    assert.is(back.length, table.rows.length, table.name);
    const lines = toCsv(table).split('\r\n');
    assert.is(lines.length, table.rows.length + 2);
    assert.equal(lines[0].split(','), Object.keys(table.rows[0]));
    for (const i of [0, table.rows.length - 1])
      for (const [key, value] of Object.entries(table.rows[i]))
        if (typeof value === 'number') assert.ok(Object.is(Number(back[i][key]), value), `${table.name}.${key}`);
        else assert.equal(back[i][key] ?? null, value);
  }
  const kinds = async (name: string) => {
    const bytes = await toParquet(tables.find((table) => table.name === name)!);
    const [row] = await parquetReadObjects({ file: bytes.buffer as ArrayBuffer });
    return (...keys: string[]) => keys.map((key) => typeof row[key]);
  };
  assert.equal((await kinds('positions'))('m', 'ell', 'reached', 'value'), ['bigint', 'bigint', 'bigint', 'number']);
  assert.equal((await kinds('curves'))('v', 'grammar', 'samples', 'loss'), ['bigint', 'bigint', 'bigint', 'number']);
  const odd: Table = { name: 'odd', about: '', rows: [{ a: 'x,"y"', b: Number.NaN, c: null, d: Infinity }] };
  assert.is(toCsv(odd), 'a,b,c,d\r\n"x,""y""",,,Infinity\r\n');
});

test('the report folder is complete and the page asks nothing of a network', async () => {
  const written = await writeReport(analysis, folder, { title: 'A <title> & more' });
  assert.equal(
    written.figures,
    figures.map((f) => f.name),
  );
  for (const name of written.figures)
    for (const end of ['.svg', '-dark.svg', '.png', '-dark.png'])
      assert.ok(existsSync(join(folder, 'figures', name + end)), name + end);
  for (const name of written.tables)
    for (const end of ['csv', 'parquet']) assert.ok(existsSync(join(folder, 'data', `${name}.${end}`)));
  const png = readFileSync(join(folder, 'figures', 'positions.png'));
  assert.equal([...png.subarray(1, 4)], [...Buffer.from('PNG')]);
  assert.is(png.readUInt32BE(16), 1760); // twice the width of the figure
  const html = readFileSync(written.report, 'utf8');
  const paper = 'https://arxiv.org/abs/2505.07070';
  assert.equal(html.match(/https?:\/\/(?!www\.w3\.org\/2000\/svg)[^"' <]*/g), [paper], 'a link to the paper alone');
  assert.not.match(html, /<script|src=|@import|url\((?!#)/);
  assert.match(html, /A &lt;title&gt; &amp; more/);
  assert.match(html, /synthetic adapter/);
  const { document } = parseHTML(html);
  assert.is(document.querySelectorAll('figure').length, figures.length);
  for (const link of document.querySelectorAll('a'))
    if (link.getAttribute('href') !== paper) assert.ok(existsSync(join(folder, link.getAttribute('href')!)));
});

test('an analysis of one short run still makes a page', async () => {
  const [files] = syntheticStudy({ ms: [3], grammars: 1, steps: 300 });
  const small = await analyze([{ ...files, records: files.records!.split('\n').slice(0, 9).join('\n') }], {
    sample: null,
  });
  const written = await writeReport(small, join(folder, 'small'), { title: 'small', reproduces: true });
  assert.ok(written.figures.includes('curves'));
  assert.not.match(readFileSync(written.report, 'utf8'), /NaN|undefined/);
});

/** Reads the character map of a TrueType font (format 4). Source: OpenType specification, cmap. */
function glyphsOf(font: Buffer): (code: number) => boolean {
  const tables = font.readUInt16BE(4);
  let cmap = 0;
  for (let i = 0; i < tables; i++)
    if (font.toString('latin1', 12 + 16 * i, 16 + 16 * i) === 'cmap') cmap = font.readUInt32BE(20 + 16 * i);
  for (let i = 0; i < font.readUInt16BE(cmap + 2); i++) {
    const at = cmap + font.readUInt32BE(cmap + 8 + 8 * i);
    if (font.readUInt16BE(at) !== 4) continue;
    const segments = font.readUInt16BE(at + 6) / 2;
    return (code) => {
      for (let k = 0; k < segments; k++) {
        const end = font.readUInt16BE(at + 14 + 2 * k);
        if (code > end) continue;
        const start = font.readUInt16BE(at + 16 + 2 * (segments + k));
        if (code < start) return false;
        const delta = font.readUInt16BE(at + 16 + 2 * (2 * segments + k));
        const place = at + 16 + 2 * (3 * segments + k);
        const offset = font.readUInt16BE(place);
        const glyph = offset === 0 ? code + delta : font.readUInt16BE(place + offset + 2 * (code - start));
        return (glyph & 0xffff) !== 0;
      }
      return false;
    };
  }
  throw new Error('no character map of format 4');
}

test.run();
