/** The clock of the story: plays, pauses, and is moved by hand. It knows nothing of what is shown. */
const FRAME_MS = 1000 / 30;

export class Player {
  seconds = 0;
  playing = false;
  #last = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly length: number, // seconds
    /** Called for each frame and after each change. */
    readonly show: () => void,
  ) {}

  play(): void {
    if (this.playing) return;
    if (this.seconds >= this.length) this.seconds = 0;
    this.playing = true;
    this.#last = performance.now();
    this.#next();
    this.show();
  }

  pause(): void {
    this.playing = false;
    clearTimeout(this.#timer);
    this.show();
  }

  goTo(seconds: number): void {
    this.seconds = Math.min(this.length, Math.max(0, seconds));
    this.show();
  }

  #next(): void {
    this.#timer = setTimeout(() => {
      const now = performance.now();
      // A tab in the background is called at most once per second: the story must not advance meanwhile.
      this.seconds = Math.min(this.length, this.seconds + Math.min(0.25, (now - this.#last) / 1000));
      this.#last = now;
      if (this.seconds >= this.length) this.playing = false;
      else this.#next();
      this.show();
    }, FRAME_MS);
  }
}
