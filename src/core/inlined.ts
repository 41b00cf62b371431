/** Bytes that the build has put into a script (src/build/inlined.mjs): packed as text, or as the difference from others. */

const SYMBOLS = 89; // characters in use
const DIRECT = 87; // bytes written as one character; the two remaining characters begin those written as two

/**
 * The bytes of a packed text: its characters, its most frequent bytes in hexadecimal, then each byte as one or two characters. Repeated
 * bytes remain repeated characters, so that compression of a script also works on them, which base64 would prevent.
 */
export function unpackBytes(text: string): Uint8Array<ArrayBuffer> {
  const codes = new TextEncoder().encode(text);
  const rank = new Uint8Array(128);
  for (let i = 0; i < SYMBOLS; i++) rank[codes[i]] = i;
  const frequent = Array.from({ length: DIRECT }, (_, i) =>
    Number.parseInt(text.slice(SYMBOLS + 2 * i, SYMBOLS + 2 * i + 2), 16),
  );
  const byRank = Uint8Array.from(new Set([...frequent, ...Array(256).keys()]));
  let length = 0; // bytes so far: they take the place of characters that have been read
  for (let at = SYMBOLS + 2 * DIRECT; at < codes.length; at++) {
    let r = rank[codes[at]];
    if (r >= DIRECT) r = DIRECT + (r - DIRECT) * SYMBOLS + rank[codes[++at]];
    codes[length++] = byRank[r];
  }
  return codes.slice(0, length);
}

/**
 * Applies a patch to other bytes. A patch begins with numbers of 7 bits per byte, lowest first: the length of the result and the
 * number of copies; then, for each copy, the number of new bytes before it, the shift of its start (2 d, or -2 d - 1 if d < 0)
 * relative to the end of the previous copy plus that number, and its length. All the new bytes follow.
 */
export function applyPatch(from: Uint8Array, patch: Uint8Array): Uint8Array<ArrayBuffer> {
  let at = 0;
  const next = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = patch[at++];
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  const out = new Uint8Array(next());
  const copies = Array.from({ length: next() }, () => ({ fresh: next(), moved: next(), length: next() }));
  let [read, written] = [0, 0];
  for (const { fresh, moved, length } of copies) {
    out.set(patch.subarray(at, at + fresh), written);
    at += fresh;
    written += fresh;
    read += fresh + (moved % 2 ? -(moved + 1) / 2 : moved / 2);
    out.set(from.subarray(read, read + length), written);
    read += length;
    written += length;
  }
  out.set(patch.subarray(at), written);
  return out;
}
