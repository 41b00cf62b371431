/** Fonts of PNG figures: DejaVu Sans with the characters that texts of European languages and formulas use, a sixth of the whole. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** First and last code points: Latin, Greek, Cyrillic; punctuation to box drawing, shapes and marks. */
const ranges = [
  [0x20, 0x17f],
  [0x2c6, 0x2dd],
  [0x300, 0x36f],
  [0x370, 0x45f],
  [0x2010, 0x209c],
  [0x20a0, 0x22ff],
  [0x2500, 0x25ff],
  [0x2713, 0x2718],
];

/** Writes dist/fonts/, without hints for small sizes, which the renderer does not use. */
export async function writeFonts(root, outdir) {
  const { default: subset } = await import('subset-font');
  const characters = ranges
    .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i)))
    .join('');
  const source = join(root, 'node_modules/dejavu-fonts-ttf');
  const folder = join(outdir, 'fonts');
  mkdirSync(folder, { recursive: true });
  for (const name of ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'])
    writeFileSync(
      join(folder, name),
      await subset(readFileSync(join(source, 'ttf', name)), characters, { noHinting: true }),
    );
  copyFileSync(join(source, 'LICENSE'), join(folder, 'LICENSE.txt'));
}
