/**
 * Runs command lists: the compiled form of plans. A command is a header (op code, bytes to the next command, maximum number of
 * threads worth using, 1 if a barrier follows) and the parameter words of its kernel; op code 0 ends a list. Thread 0 (`start`,
 * `advance`) and the others (`work`) walk the same list and meet at the barriers. The barrier counts arrivals; the last one
 * advances the generation and wakes the sleeping threads.
 */
import { execute } from '../build/assembly/dispatch';
import {
  COMMAND_BARRIER,
  COMMAND_BYTES,
  COMMAND_OP,
  COMMAND_PARTS,
  COMMAND_RECORD,
  CONTROL_ARRIVED,
  CONTROL_GENERATION,
  CONTROL_LIST,
  CONTROL_MAY_SLEEP,
  CONTROL_SCRATCH,
  CONTROL_SCRATCH_BYTES,
  CONTROL_SLEEPERS,
  CONTROL_THREADS,
  CONTROL_TIMES,
} from '../build/assembly/words';

const SPINS: u32 = 100000; // some 50 us: waking a sleeping thread takes as long
const NAPS: u32 = 10; // naps of 50 ms, before thread 0 returns to its caller to learn of dead threads
const PATIENT_SPINS: u32 = 1 << 20; // instead of naps if sleeping is not allowed

// Every instance has separate globals.
let control: usize = 0;
let me: u32 = 0;
let position: usize = 0; // thread 0: next command
let remaining: u32 = 0; // thread 0: runs of the list left
let awaited: u32 = 0; // generation before the barrier at which this thread is waiting
let waiting: bool = false;
// Globals: V8 11.3's baseline compiler (Node 20 with --liftoff-only, or before it optimises) resets local variables at a wait, so
// that thread 0 counted its naps forever. To be removed with Node 20; test/wasm/naps.test.ts.
let naps: u32 = 0;
let forever: bool = false;

export function attach(controlBlock: usize, thread: u32): void {
  control = controlBlock;
  me = thread;
}

/** Thread 0: begins `times` runs of a list; then call `advance` until it returns 1. */
export function start(list: usize, times: u32): void {
  store<u32>(control, list, CONTROL_LIST);
  store<u32>(control, times, CONTROL_TIMES);
  position = list;
  remaining = times;
  arrive();
}

/** Thread 0: continues. 1: all done; 0: other threads are late, call again. */
export function advance(): u32 {
  const list = load<u32>(control, CONTROL_LIST);
  while (true) {
    if (waiting) {
      if (!passed(false)) return 0;
      waiting = false;
    }
    if (!list) return 1;
    if (!remaining) return othersWait() ? 1 : 0;
    if (!load<u32>(position)) {
      position = list;
      remaining--;
      continue;
    }
    const at = position;
    position = at + load<u32>(at, COMMAND_BYTES);
    perform(at);
  }
}

/** The other threads: run what thread 0 starts, until it starts list 0. */
export function work(): void {
  arrive();
  while (true) {
    passed(true);
    waiting = false;
    const list = load<u32>(control, CONTROL_LIST);
    if (!list) return;
    for (let times = load<u32>(control, CONTROL_TIMES); times; times--) {
      for (let at: usize = list; load<u32>(at); at += load<u32>(at, COMMAND_BYTES)) {
        perform(at);
        if (waiting) {
          passed(true);
          waiting = false;
        }
      }
    }
    arrive();
  }
}

/** This thread's share of one command; then arrives at its barrier. */
function perform(at: usize): void {
  const threads = min(load<u32>(control, CONTROL_THREADS), load<u32>(at, COMMAND_PARTS));
  if (me < threads) {
    const scratch = load<u32>(control, CONTROL_SCRATCH) + me * load<u32>(control, CONTROL_SCRATCH_BYTES);
    execute(load<u32>(at, COMMAND_OP), at + COMMAND_RECORD, me, threads, scratch);
  }
  if (load<u32>(at, COMMAND_BARRIER)) arrive();
}

/**
 * Whether all other threads wait for the next list. One that has passed the last barrier still has to read the end of this list, so
 * thread 0 must not return before: its caller may put another program into the memory, whose words the thread would execute.
 */
function othersWait(): bool {
  if (ASC_FEATURE_THREADS) {
    const others = load<u32>(control, CONTROL_THREADS) - 1;
    for (let spin: u32 = 0; spin < SPINS; spin++) if (atomic.load<u32>(control, CONTROL_ARRIVED) == others) return true;
    return false;
  }
  return true;
}

function arrive(): void {
  if (ASC_FEATURE_THREADS) {
    const threads = load<u32>(control, CONTROL_THREADS);
    if (threads == 1) return;
    awaited = atomic.load<u32>(control, CONTROL_GENERATION);
    waiting = true;
    if (atomic.add<u32>(control, 1, CONTROL_ARRIVED) == threads - 1) {
      atomic.store<u32>(control, 0, CONTROL_ARRIVED);
      atomic.add<u32>(control, 1, CONTROL_GENERATION);
      if (atomic.load<u32>(control, CONTROL_SLEEPERS)) atomic.notify(control + CONTROL_GENERATION, -1);
    }
  }
}

/** Whether all have arrived. patient: waits as long as necessary. */
function passed(patient: bool): bool {
  if (ASC_FEATURE_THREADS) {
    for (let spin: u32 = 0; spin < SPINS; spin++)
      if (atomic.load<u32>(control, CONTROL_GENERATION) != awaited) return true;
    if (!patient && !load<u32>(control, CONTROL_MAY_SLEEP)) {
      for (let spin: u32 = 0; spin < PATIENT_SPINS; spin++)
        if (atomic.load<u32>(control, CONTROL_GENERATION) != awaited) return true;
      return false;
    }
    forever = patient;
    for (naps = 0; forever || naps < NAPS; naps++) {
      atomic.add<u32>(control, 1, CONTROL_SLEEPERS);
      atomic.wait<i32>(control + CONTROL_GENERATION, awaited, forever ? -1 : 50_000_000);
      atomic.sub<u32>(control, 1, CONTROL_SLEEPERS);
      if (atomic.load<u32>(control, CONTROL_GENERATION) != awaited) return true;
    }
    return false;
  }
  return true;
}
