import type { Trainer } from './trainer.js';

/** A run between two slices of steps: nothing is queued, so its state may be read and changed. */
export interface RunMoment {
  readonly step: number; // steps done
  readonly trainer: Trainer;
  /** Writes a checkpoint now. */
  save(): Promise<void>;
  /** Sets the learning rate to `factor` times the experiment's, writes that into the records and a checkpoint. */
  scaleRate(factor: number): Promise<void>;
}

/** What is about to start. memoryBytes: on the device, of all that train together. */
export interface RunStart {
  executor: string;
  memoryBytes: number;
  step: number;
  steps: number;
  unchecked: readonly string[]; // files of an earlier version it continues from, which hold nothing to check them by
}
