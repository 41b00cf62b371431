/** Fonts of PNG figures: DejaVu Sans with the characters that texts of European languages and formulas use, a fifth of the whole. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** First and last code points: Latin, Greek, Cyrillic; punctuation to box drawing, shapes and marks. */
const ranges = [
  [0x20, 0x24f],
  [0x2b0, 0x4ff],
  [0x1e00, 0x1fff],
  [0x2000, 0x22ff],
  [0x2500, 0x26ff],
  [0x2713, 0x2718],
];

/** Writes dist/fonts/. */
export async function writeFonts(root, outdir) {
  const { default: subset } = await import('subset-font');
  const characters = ranges
    .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i)))
    .join('');
  const source = join(root, 'node_modules/dejavu-fonts-ttf');
  const folder = join(outdir, 'fonts');
  mkdirSync(folder, { recursive: true });
  for (const name of ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'])
    writeFileSync(join(folder, name), await subset(readFileSync(join(source, 'ttf', name)), characters));
  copyFileSync(join(source, 'LICENSE'), join(folder, 'LICENSE.txt'));
}
