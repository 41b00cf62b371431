/** A file given to a command; `-` is standard input. */
import { readFileSync, readSync } from 'node:fs';

const WAIT_MS = 5;

/** All bytes. Throws the system's error, as readFileSync does. */
export function readInput(file: string): Uint8Array {
  return file === '-' ? readStandardInput() : readFileSync(file);
}

/** Why a file cannot be read, in words: of the error that the system throws. */
export function whyUnread(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return reasons[code ?? ''] ?? code ?? String(error);
}

const reasons: Record<string, string> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file, as a part of its path is a file',
  EISDIR: 'a folder, not a file',
  EACCES: 'permission denied',
};

/** *Standard input may be a non-blocking pipe: EAGAIN then means that its writer has not written yet. */
function readStandardInput(): Uint8Array {
  const parts: Buffer[] = [];
  const still = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const part = Buffer.alloc(2 ** 16);
    try {
      const length = readSync(0, part, 0, part.length, null);
      if (length === 0) return Buffer.concat(parts);
      parts.push(part.subarray(0, length));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return Buffer.concat(parts); // a closed pipe on Windows
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(still, 0, 0, WAIT_MS);
    }
  }
}
