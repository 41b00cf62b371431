/** Files to download. */
import { toCsv } from '../analysis/tables.js';
import type { RunRecord } from '../core/records.js';
import { h } from './dom.js';

/** Starts the download of a file in the browser. */
export function download(name: string, data: Uint8Array | string | Blob, type: string): void {
  const blob = data instanceof Blob ? data : new Blob([data as BlobPart], { type });
  const url = URL.createObjectURL(blob);
  const link = h('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

type Row = Record<string, string | number | null>;

/** Evaluations and measures as one table: a row each, empty in columns that do not apply. */
export function recordsCsv(records: readonly RunRecord[]): string {
  const rows = records.flatMap((r): Row[] => {
    if (r.type === 'eval')
      return [
        { type: 'eval', ...where(r), name: 'loss', layer: null, level: null, value: r.loss, elapsed_ms: r.elapsed_ms },
        {
          type: 'eval',
          ...where(r),
          name: 'accuracy',
          layer: null,
          level: null,
          value: r.accuracy,
          elapsed_ms: r.elapsed_ms,
        },
      ];
    if (r.type !== 'measure') return [];
    const { name, layer = null, level = null, value } = r;
    return [{ type: 'measure', ...where(r), name, layer, level, value, elapsed_ms: null }];
  });
  return rows.length ? toCsv({ name: 'records', rows } as Parameters<typeof toCsv>[0]) : '';
}

const where = ({ replica, step, samples }: { replica: number; step: number; samples: number }) => ({
  replica,
  step,
  samples,
});

/** An SVG text as a PNG picture, with `scale` pixels per unit. */
export async function toPng(svgText: string, width: number, height: number, scale = 2): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svgText], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = h('canvas', { width: width * scale, height: height * scale });
    canvas.getContext('2d')!.drawImage(image, 0, 0, width * scale, height * scale);
    return await new Promise((resolve, reject) =>
      canvas.toBlob(
        (blob) => (blob ? resolve(blob) : reject(new Error('the browser could not draw the picture'))),
        'image/png',
      ),
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}
