import type { Trainer } from './trainer.js';

/** A run between two slices of steps: nothing is queued, so its state can be read and changed. */
export interface RunMoment {
  readonly step: number; // steps done
  readonly trainer: Trainer;
  /** Writes a checkpoint now. */
  save(): Promise<void>;
  /** Sets the learning rate to `factor` times that of the experiment, and writes this to the records and a checkpoint. */
  scaleRate(factor: number): Promise<void>;
}

/** A run about to start. memoryBytes: on the device, for all runs that train together. */
export interface RunStart {
  executor: string;
  memoryBytes: number;
  step: number;
  steps: number;
  unchecked: readonly string[]; // files of an earlier version from which the run continues and which contain no checks
}
