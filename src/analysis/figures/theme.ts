import { modelFacts } from '../../core/modelFacts.js';
import type { ModelKind } from '../curves.js';

/** Colours of a figure. Values are CSS colours, or `var(...)` on a page that decides between light and dark. */
export interface Theme {
  paper: string;
  ink: string;
  muted: string;
  palette: readonly string[]; // distinguishable with every common colour blindness
}

/** Okabe and Ito's palette, with the dark tones brightened on dark paper. Source: Okabe, Ito, "Color universal design", 2008. */
export const themes = {
  light: {
    paper: '#ffffff',
    ink: '#1b1f24',
    muted: '#5c6570',
    palette: ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#b07d00', '#56b4e9'],
  },
  dark: {
    paper: '#14181d',
    ink: '#e6e9ed',
    muted: '#9aa4af',
    palette: ['#56b4e9', '#ff8a3d', '#2ecc9b', '#e79cc8', '#f0c04a', '#a9c7ff'],
  },
} satisfies Record<string, Theme>;

export type ThemeName = keyof typeof themes;

/** The names of the custom properties that `themeCss` sets. */
export const pageTheme: Theme = {
  paper: 'var(--rhm-paper)',
  ink: 'var(--rhm-ink)',
  muted: 'var(--rhm-muted)',
  palette: themes.light.palette.map((_, i) => `var(--rhm-c${i})`),
};

/** Custom properties for a page: light, or dark if the reader's system is. */
export function themeCss(): string {
  const block = (t: Theme) =>
    `--rhm-paper:${t.paper};--rhm-ink:${t.ink};--rhm-muted:${t.muted};${t.palette.map((c, i) => `--rhm-c${i}:${c}`).join(';')}`;
  return `:root{color-scheme:light dark;${block(themes.light)}}@media(prefers-color-scheme:dark){:root{${block(themes.dark)}}}`;
}

/** The look of one line, point cloud and legend entry: never distinguished by colour alone. */
export interface Look {
  label: string;
  color: string;
  dash: string | undefined;
  symbol: 'circle' | 'square' | 'triangle' | 'diamond' | 'star' | 'times';
}

const dashes = [undefined, '7 3', '2 2.5', '9 3 2 3', '4 2', '12 3'];
const symbols = ['circle', 'square', 'triangle', 'diamond', 'star', 'times'] as const;

/** The look of a model, with its full name. */
export const modelLook = (kind: ModelKind, theme: Theme): Look =>
  lookAt(modelFacts(kind).title, modelFacts(kind).colour, theme);

/** The look of a reference that is not a network. */
export const referenceLook = (theme: Theme): Look => ({
  label: 'correlations alone',
  color: theme.muted,
  dash: '1 3',
  symbol: 'times',
});

/** Looks for a list of things, in order. */
export function looksFor(labels: readonly string[], theme: Theme): Map<string, Look> {
  return new Map(labels.map((label, i) => [label, lookAt(label, i, theme)]));
}

/** Looks for series: the first of each model has the same colour in every report. */
export function seriesLooks(kinds: ReadonlyMap<string, ModelKind>, theme: Theme): Map<string, Look> {
  const taken = new Set<number>();
  const looks = new Map<string, Look>();
  for (const [series, kind] of kinds) {
    let at = modelFacts(kind).colour;
    for (let i = 0; taken.has(at) && i < theme.palette.length; i++) at = i;
    taken.add(at);
    looks.set(series, lookAt(series, at, theme));
  }
  return looks;
}

function lookAt(label: string, i: number, theme: Theme): Look {
  const at = i % theme.palette.length;
  return { label, color: theme.palette[at], dash: dashes[at], symbol: symbols[at] };
}
