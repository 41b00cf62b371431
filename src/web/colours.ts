/** Colours of symbols: one hue each, equally light, under dark text on light and dark pages alike. */

/** A CSS colour for symbol `a` of `v`. Neighbouring numbers are far apart on the colour wheel. */
export function symbolColour(a: number, v: number): string {
  const [r, g, b] = symbolRgb(a, v);
  return `rgb(${Math.round(255 * r)} ${Math.round(255 * g)} ${Math.round(255 * b)})`;
}

/** The same as sRGB components from 0 to 1. Lightness alternates too, for people who distinguish fewer hues. */
export function symbolRgb(a: number, v: number): [number, number, number] {
  const hue = (2 * Math.PI * a) / Math.max(v, 3) + 0.6;
  const lightness = [0.83, 0.7, 0.77][a % 3];
  return oklch(lightness, 0.105, hue);
}

/** Oklch to sRGB, clipped. Source: B. Ottosson, "A perceptual color space for image processing", 2020. */
function oklch(L: number, C: number, hue: number): [number, number, number] {
  const a = C * Math.cos(hue);
  const b = C * Math.sin(hue);
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((x) => {
    const clipped = Math.min(1, Math.max(0, x));
    return clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055;
  }) as [number, number, number];
}
