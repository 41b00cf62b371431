/** The kernels by op code. One constant and one case an operation; src/wasm/memory.ts reads the constants by name. */
import { perform } from '../../build/assembly/dispatch';

/** One thread's share of a command. p: its parameter words; scratch: memory of this thread's own. */
export function execute(op: u32, p: usize, thread: u32, threads: u32, scratch: usize): void {
  switch (op) {
    default:
      perform(op, p, thread, threads, scratch);
  }
}
