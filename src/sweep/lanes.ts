/** The workers of a sweep as lanes, each with one worker after another, and what happens to work that a lane has lost. */

const MOST_LOSSES = 3; // in a row

/** The history of lost work: of a chunk and of its remainder, as long as that stays whole. */
interface Lost {
  readonly by: Set<number>; // lanes
  readonly avoid: Set<number>; // lanes that should not take it while there are others
  finished: boolean; // by any lane
}

const lostBy = (lanes: Iterable<number>): Lost => ({ by: new Set(lanes), avoid: new Set(), finished: false });

interface Loss {
  readonly of?: Lost; // absent: a worker did not start
  readonly error: string;
  readonly at: number;
}

/**
 * If each lane has its own device, a chunk that one of them lost goes whole to the others, and a lane is abandoned if it keeps
 * losing work that others do not lose. Lanes that share a device are equivalent: none is blamed or avoided.
 */
export class Lanes<Chunk extends object> {
  readonly #open: Set<number>;
  readonly #lost = new WeakMap<Chunk, Lost>();
  readonly #losses = new Map<number, Loss[]>(); // consecutive losses, by lane
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

  /** Whether the sweep can continue without a lane that has its own device. */
  isReplaceable(lane: number): boolean {
    return this.ownDevices && [...this.#open].some((other) => other !== lane);
  }

  /** A lane does not take work that it should leave to others, as long as there are others. */
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

  /** A worker of the lane did not start. @returns how many times in a row that has happened */
  failed(lane: number, error: string): number {
    return this.#note(lane, { error, at: ++this.#clock });
  }

  /** A worker of the lane died while training the chunk. */
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
   * The rest (`left`) of a chunk that the lane has lost is to be tried whole, by the lanes for which `mayTake` is true. After its first
   * loss in a row this includes the lane itself, since the worker may be to blame, unless `elsewhere`. false: every lane has lost it.
   */
  passOn(lane: number, chunk: Chunk, left: Chunk, elsewhere: boolean): boolean {
    if (!this.isReplaceable(lane)) return false;
    const lost = this.#lost.get(chunk) ?? lostBy([lane]);
    if (elsewhere || (this.#losses.get(lane)?.length ?? 0) > 1) lost.avoid.add(lane);
    if ([...this.#open].every((other) => lost.avoid.has(other))) return false;
    this.#lost.set(left, lost);
    return true;
  }

  /** Every worker may try the parts of a lost chunk. A worker that lost the whole is not blamed for a part that others lose as well. */
  cut(chunk: Chunk, parts: readonly Chunk[]): void {
    const by = this.#lost.get(chunk)?.by ?? [];
    for (const part of parts) this.#lost.set(part, lostBy(by));
  }

  /**
   * Why the lane is abandoned: three times in a row it lost work that no other lane lost, or that another lane finished; and either
   * it could not start a worker (`started` false) or others have finished something in the meantime. undefined: it continues.
   */
  givenUp(lane: number, started: boolean): string | undefined {
    const blamed = (this.#losses.get(lane) ?? []).filter(({ of }) => !of || of.by.size === 1 || of.finished);
    if (blamed.length < MOST_LOSSES || !this.isReplaceable(lane)) return undefined;
    const others = [...this.#open].filter((other) => other !== lane);
    if (started && !others.some((other) => (this.#finishedAt.get(other) ?? 0) > blamed[0].at)) return undefined;
    return blamed.at(-1)!.error;
  }
}
