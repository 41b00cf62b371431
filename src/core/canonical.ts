/** JSON with sorted keys and no undefined fields: equal values give equal text, on every platform. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    let fields = '';
    for (const key of Object.keys(value).sort()) {
      const field = (value as Record<string, unknown>)[key];
      if (field !== undefined) fields += `${fields && ','}${JSON.stringify(key)}:${canonicalJson(field)}`;
    }
    return `{${fields}}`;
  }
  return JSON.stringify(value);
}

/** The name of a run: the first 16 hexadecimal digits of the SHA-256 of its canonical JSON. */
export async function contentHash(value: unknown): Promise<string> {
  return digestOf(new TextEncoder().encode(canonicalJson(value)));
}

/** The first 16 hexadecimal digits of the SHA-256 of some bytes. */
export async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await sha256(bytes);
  return Array.from(digest.subarray(0, 8), (b) => b.toString(16).padStart(2, '0')).join('');
}

/** Browsers offer crypto.subtle only on secure pages: over https, and from localhost. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto ?? {};
  if (subtle) return new Uint8Array(await subtle.digest('SHA-256', bytes));
  return (await import('./sha256.js')).sha256(bytes);
}
