/** The workers of a sweep as lanes, in each one worker after the other, and what becomes of the work that a lane has lost. */

const MOST_LOSSES = 3; // in a row

/** What is known of lost work: of a chunk and of what is left of it, as long as it stays whole. */
interface Lost {
  readonly by: Set<number>; // lanes
  readonly avoid: Set<number>; // lanes that are not to take it while there are others
  finished: boolean; // by whichever lane
}

const lostBy = (lanes: Iterable<number>): Lost => ({ by: new Set(lanes), avoid: new Set(), finished: false });

interface Loss {
  readonly of?: Lost; // absent: a worker did not start
  readonly error: string;
  readonly at: number;
}

/**
 * Where each lane has a device of its own, a chunk that one of them lost goes whole to the others, and a lane that keeps losing what
 * others do not lose is given up. Lanes that share what they compute on are alike: none is blamed, none is avoided.
 */
export class Lanes<Chunk extends object> {
  readonly #open: Set<number>;
  readonly #lost = new WeakMap<Chunk, Lost>();
  readonly #losses = new Map<number, Loss[]>(); // in a row, by lane
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

  /** Not what it is to leave to others, as long as there are others. */
  mayTake(lane: number, chunk: Chunk): boolean {
    const avoid = this.#lost.get(chunk)?.avoid;
    return !avoid?.has(lane) || [...this.#open].every((other) => avoid.has(other));
  }

  finished(lane: number, chunk: Chunk): void {
    const lost = this.#lost.get(chunk);
    if (lost) lost.finished = true;
    this.#finishedAt.set(lane, ++this.#clock);
    this.#losses.delete(lane);
  }

  /** A worker of the lane did not start. @returns how often in a row it has lost one */
  failed(lane: number, error: string): number {
    return this.#note(lane, { error, at: ++this.#clock });
  }

  /** A worker of the lane is gone, with the chunk in its hands. */
  lost(lane: number, chunk: Chunk, error: string): void {
    const of = this.#lost.get(chunk) ?? lostBy([]);
    of.by.add(lane);
    this.#lost.set(chunk, of);
    this.#note(lane, { of, error, at: ++this.#clock });
  }

  #note(lane: number, loss: Loss): number {
    const losses = [...(this.#losses.get(lane) ?? []), loss];
    this.#losses.set(lane, losses);
    return losses.length;
  }

  /**
   * What is `left` of a chunk that the lane has lost is to be tried whole, by whom it says `mayTake`. After its first loss in a row the
   * lane itself may, since the worker may be to blame, unless `elsewhere`. false: there is no lane that has not lost it.
   */
  passOn(lane: number, chunk: Chunk, left: Chunk, elsewhere: boolean): boolean {
    if (!this.isReplaceable(lane)) return false;
    const lost = this.#lost.get(chunk) ?? lostBy([lane]);
    if (elsewhere || (this.#losses.get(lane)?.length ?? 0) > 1) lost.avoid.add(lane);
    if ([...this.#open].every((other) => lost.avoid.has(other))) return false;
    this.#lost.set(left, lost);
    return true;
  }

  /** Every worker may try the parts of a lost chunk again. A worker that lost the whole is not blamed for a part that others lose as well. */
  cut(chunk: Chunk, parts: readonly Chunk[]): void {
    const by = this.#lost.get(chunk)?.by ?? [];
    for (const part of parts) this.#lost.set(part, lostBy(by));
  }

  /**
   * Why the lane is given up: three times in a row it lost what no other lane lost, or what another one finished; and either it could
   * not start a worker (`started` false) or others have finished something meanwhile. undefined: it continues.
   */
  givenUp(lane: number, started: boolean): string | undefined {
    const blamed = (this.#losses.get(lane) ?? []).filter(({ of }) => !of || of.by.size === 1 || of.finished);
    if (blamed.length < MOST_LOSSES || !this.isReplaceable(lane)) return undefined;
    const others = [...this.#open].filter((other) => other !== lane);
    if (started && !others.some((other) => (this.#finishedAt.get(other) ?? 0) > blamed[0].at)) return undefined;
    return blamed.at(-1)!.error;
  }
}
