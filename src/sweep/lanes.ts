/** The workers of a sweep as lanes, in each one worker after the other, and what becomes of the work that a lane has lost. */

const MOST_LOSSES = 3; // in a row

/**
 * Where each lane has a device of its own, a chunk that one of them lost goes whole to the others, and a lane that keeps losing is
 * given up while others finish their work. Lanes that share what they compute on are alike: none is blamed, none is avoided.
 */
export class Lanes<Chunk extends object> {
  readonly #open: Set<number>;
  readonly #lostBy = new WeakMap<Chunk, ReadonlySet<number>>();
  readonly #losses = new Map<number, { times: number; since: number; error: string }>(); // in a row, by lane
  readonly #finishedAt = new Map<number, number>(); // by lane
  #clock = 0; // counts what happens

  constructor(
    count: number,
    readonly ownDevices: boolean,
  ) {
    this.#open = new Set(Array.from({ length: count }, (_, i) => i));
  }

  close(lane: number): void {
    this.#open.delete(lane);
  }

  /** Whether a lane with a device of its own can be done without. */
  isReplaceable(lane: number): boolean {
    return this.ownDevices && [...this.#open].some((other) => other !== lane);
  }

  /** Not what it has lost itself, as long as there is another lane that has not. */
  mayTake(lane: number, chunk: Chunk): boolean {
    const lostBy = this.#lostBy.get(chunk);
    return !lostBy?.has(lane) || [...this.#open].every((other) => lostBy.has(other));
  }

  finished(lane: number): void {
    this.#finishedAt.set(lane, ++this.#clock);
    this.#losses.delete(lane);
  }

  /** A worker of the lane is gone, or did not start. @returns how often in a row that has happened */
  lost(lane: number, error: string): number {
    const { times, since } = this.#losses.get(lane) ?? { times: 0, since: ++this.#clock };
    this.#losses.set(lane, { times: times + 1, since, error });
    return times + 1;
  }

  /**
   * What is `left` of a chunk that the lane lost is to be tried whole, by whom it says `mayTake`. After its first loss in a row the lane
   * itself may, since the worker may be to blame, unless `elsewhere`. false: there is no lane that has not lost it.
   */
  passOn(lane: number, chunk: Chunk, left: Chunk, elsewhere: boolean): boolean {
    if (!this.isReplaceable(lane)) return false;
    const lostBy = new Set(this.#lostBy.get(chunk));
    if (elsewhere || (this.#losses.get(lane)?.times ?? 0) > 1) lostBy.add(lane);
    if ([...this.#open].every((other) => lostBy.has(other))) return false;
    this.#lostBy.set(left, lostBy);
    return true;
  }

  /**
   * Why the lane is given up: it lost its worker three times in a row, and either could not start one (`started` false) or another lane
   * has finished something meanwhile, so that the work is not to blame. undefined: it goes on.
   */
  givenUp(lane: number, started: boolean): string | undefined {
    const losses = this.#losses.get(lane);
    if (!losses || losses.times < MOST_LOSSES || !this.isReplaceable(lane)) return undefined;
    const others = [...this.#open].filter((other) => other !== lane);
    if (started && !others.some((other) => (this.#finishedAt.get(other) ?? 0) > losses.since)) return undefined;
    return losses.error;
  }
}
