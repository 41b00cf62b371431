/** The destination of a command's bulk output: standard output, or a file that appears only when complete. */
import { atomicFile } from '../platform/atomicFile.js';
import type { CommandContext } from './context.js';

export type Write = (chunk: string | Uint8Array) => Promise<void>;

/** Runs `produce` with a writer; after an error there is no file of that name. */
export async function writeOutput(
  io: CommandContext,
  path: string | undefined,
  produce: (write: Write) => Promise<void>,
): Promise<void> {
  if (path === undefined || path === '-') {
    await produce(io.write);
    return;
  }
  const file = await atomicFile(path);
  try {
    await produce(file.write);
    await file.commit();
  } catch (error) {
    await file.abort();
    throw error;
  }
}
