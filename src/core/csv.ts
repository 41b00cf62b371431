export type CsvCell = string | number | boolean | Date | null | undefined;

/** One CSV line with its line end, following RFC 4180. NaN, null and undefined are empty cells; dates are ISO 8601. */
export function csvLine(cells: readonly CsvCell[]): string {
  const texts = cells.map((value) => {
    if (value === null || value === undefined || Number.isNaN(value)) return '';
    const text = value instanceof Date ? value.toISOString() : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${texts.join(',')}\r\n`;
}
