/** Styles of the figures: adopted by the page and by the shadow roots of the custom elements, so that neither affects the other. */
import { themes } from '../../analysis/figures/theme.js';

/** Custom properties by name. */
const properties = (
  t: (typeof themes)['light'],
  accent: string,
  line: string,
  soft: string,
): Record<string, string> => ({
  paper: t.paper,
  ink: t.ink,
  muted: t.muted,
  ...Object.fromEntries(t.palette.map((c, i) => [`c${i}`, c])),
  accent,
  line,
  soft,
});
const light = properties(themes.light, '#0b63a5', '#d7dce2', '#f4f6f8');
const dark = properties(themes.dark, '#7cc4f5', '#343c46', '#1c2229');
const rule = (root: string, values: (name: string) => string) =>
  `${root}{${Object.keys(light)
    .map((name) => `--rhm-${name}:${values(name)}`)
    .join(';')}}`;

/** Custom properties on `root` (a selector): light, or dark if the reader's system is dark; paper is white. */
export const themeCss = (root: string) =>
  `${root}{color-scheme:light dark}${rule(root, (name) => light[name])}` +
  `@media screen and (prefers-color-scheme:dark){${rule(root, (name) => dark[name])}}` +
  `@media print{${root}{color-scheme:light}}`;

/** The same on `root`, following the surrounding page: dark if its `color-scheme` is dark, light if it has none. */
export const followingThemeCss = (root: string) =>
  `${rule(root, (name) => light[name])}` +
  `@supports(color:light-dark(#000,#fff)){@media screen{${rule(root, (name) => `light-dark(${light[name]},${dark[name]})`)}}}`;

export const figureCss = `
[hidden]{display:none!important}
button,select,input{font:inherit;color:inherit}
button{padding:.42em .9em;border:1px solid var(--rhm-line);border-radius:7px;background:var(--rhm-paper);cursor:pointer;line-height:1.3}
button:hover:not(:disabled){border-color:var(--rhm-muted)}
button:disabled{opacity:.45;cursor:default}
button.primary{background:var(--rhm-accent);border-color:var(--rhm-accent);color:var(--rhm-paper);font-weight:600}
:focus-visible{outline:2.5px solid var(--rhm-accent);outline-offset:2px}
.toolbar .together{display:flex;gap:.6em .8em}
.toolbar{display:flex;flex-wrap:wrap;gap:.6em .8em;align-items:center;margin:0 0 .9em}
.choices{border:0;padding:0;margin:0;display:flex;flex-wrap:wrap;gap:.3em 1em;align-items:center;font-size:.93em}
.choices legend{float:left;margin-right:.3em;color:var(--rhm-muted);padding:0}
.choice{display:inline-flex;gap:.35em;align-items:center;cursor:pointer}
.tree-scroll{overflow-x:auto;padding:2px 0 4px;display:flex}
.tree-levels{flex:none;position:sticky;left:0;z-index:1;margin-left:auto;background:linear-gradient(90deg,var(--rhm-paper) 85%,transparent)}
.tree{flex:none;display:block;margin-right:auto;font-family:inherit}
.tree .edges line{stroke:var(--rhm-muted);stroke-width:1.2}
.tree-levels text{font-size:10.5px;fill:var(--rhm-muted)}
.tree .node{cursor:pointer;outline:none}
.tree .node circle{stroke:#0000;stroke-width:2}
.tree .node:hover circle{stroke:var(--rhm-muted)}
.tree .node:focus-visible circle{stroke:var(--rhm-accent);stroke-width:3.5}
.tree .node.changed circle{stroke:var(--rhm-ink);stroke-width:2.6}
.tree .node .cover{stroke:var(--rhm-ink);stroke-width:1.3;stroke-dasharray:3 2.5}
.tree .symbol{font-size:12.5px;font-weight:600;text-anchor:middle;fill:#15181c}
.tree .rule{pointer-events:none;font-size:9.5px;text-anchor:middle;fill:var(--rhm-ink);paint-order:stroke;stroke:var(--rhm-paper);stroke-width:3px}
.tree .rule.new{font-weight:700}
.tree .was{pointer-events:none;font-size:10.5px;text-anchor:end;fill:var(--rhm-ink);paint-order:stroke;stroke:var(--rhm-paper);stroke-width:3px}
.tree .target{fill:none;stroke:var(--rhm-ink);stroke-width:1.4;stroke-dasharray:3 2.5}
.beliefs{display:flex;flex-wrap:wrap;gap:.2em .7em;align-items:baseline}
.beliefs .belief{white-space:nowrap}
.status{min-height:1.5em;margin:.3em 0 0;font-size:.95em}
.grammar h3{font-size:1em;margin:1.2em 0 .5em}
.rules{max-height:21em;overflow:auto;border:1px solid var(--rhm-line);border-radius:10px;padding:.7em .9em}
.rule-levels{display:flex;flex-wrap:wrap;gap:1em 2.2em}
.rules table{border-collapse:collapse;align-self:flex-start}
.rules caption{text-align:left;color:var(--rhm-muted);font-size:.85em;padding-bottom:.3em;white-space:nowrap}
.rules th{padding:0 .5em 3px 0;font-weight:600}
.rules td{padding:0 0 3px;white-space:nowrap}
.chip,.tuple{display:inline-block;color:#15181c;border-radius:6px;padding:.06em .5em;margin-right:5px;font-size:.88em;font-variant-numeric:tabular-nums;min-width:1.1em;text-align:center}
.tuple{border-radius:99px;opacity:1;border:1.5px solid #0000}
.tuple.used{border-color:var(--rhm-ink);font-weight:700}
.norules h3,.norules .rules{display:none}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2em 1.6em;margin:0 0 .35em;padding:0;font-size:.93em}
.legend li{display:flex;align-items:center;gap:.5em}
.legend .value{color:var(--rhm-muted);font-variant-numeric:tabular-nums;min-width:5.6em}
.plot{position:relative;contain:layout paint;min-height:270px;border-radius:8px;touch-action:pan-y}
.plot svg{display:block}
.numbers{margin:.4em 0 .8em;font-size:.93em}
.numbers summary{cursor:pointer;color:var(--rhm-accent)}
.numbers .table-scroll{overflow:auto;max-height:24em;margin:.5em 0 0}
.numbers table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.93em}
.numbers caption{text-align:left;color:var(--rhm-muted);padding-bottom:.3em}
.numbers th,.numbers td{padding:.2em .9em .2em 0;text-align:left;font-weight:400;border-bottom:1px solid var(--rhm-line);white-space:nowrap}
.numbers th{color:var(--rhm-muted)}
.numbers .chosen{font-weight:650;color:var(--rhm-ink)}
.numbers .derivation td{text-align:center;padding:.2em .5em;border:1px solid var(--rhm-line)}
@media print{.plot svg,.tree{max-width:100%;height:auto}.tree{flex:0 1 auto;min-width:0}.plot{min-height:0}}
.curves>.marks{margin:.15em 0 .6em;font-size:.86em;color:var(--rhm-muted)}
.readout,.beliefs{min-height:1.5em;margin:.15em 0 0;font-size:.86em;color:var(--rhm-muted);font-variant-numeric:tabular-nums}
`;

/** Adds styles to a document or a shadow root without inline style elements, which a strict policy forbids. */
export function adopt(root: Document | ShadowRoot, css: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
