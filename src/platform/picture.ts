/** Figures as files, SVG or PNG, without a browser. Node and Deno; loaded when it is needed. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseHTML } from 'linkedom';
import { reason } from './atomicFile.js';

type RenderPng = (svg: string, paper: string) => Uint8Array;

/** A document to draw in. */
export const newDocument = (): Document =>
  parseHTML('<!doctype html><html><body></body></html>').document as unknown as Document;

/** The font comes from npm too, so that a machine without fonts draws the same picture. */
export async function pngRenderer(): Promise<{ render?: RenderPng; problem?: string }> {
  const require = createRequire(import.meta.url);
  try {
    const { Resvg } = await import('@resvg/resvg-js');
    const fonts = join(dirname(require.resolve('dejavu-fonts-ttf/package.json')), 'ttf');
    const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((f) => join(fonts, f)).filter((f) => existsSync(f));
    const render: RenderPng = (svg, background) =>
      new Resvg(svg, {
        background,
        fitTo: { mode: 'zoom', value: 2 },
        font: { loadSystemFonts: false, fontFiles, defaultFontFamily: 'DejaVu Sans' },
      })
        .render()
        .asPng();
    return { render };
  } catch (error) {
    return { problem: reason(error) };
  }
}
