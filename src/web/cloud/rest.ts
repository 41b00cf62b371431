/** The cloud of a network that is not being trained: with its initial weights, or those of a checkpoint. */
import { contentHash } from '../../core/canonical.js';
import type { Experiment } from '../../core/experiment.js';
import { wasmExecutor } from '../../kernels/index.js';
import { measures } from '../../measures/index.js';
import { decodeCheckpoint, verifyCheckpoint } from '../../training/checkpoint.js';
import { membersOf } from '../../training/members.js';
import { trainingProgram } from '../../training/program.js';
import { Trainer } from '../../training/trainer.js';
import { addProbe, type Probe } from './probe.js';
import type { Viewer } from './viewer.js';

/** Computes on the CPU, once. @throws FileError, InputError for a checkpoint of another experiment. */
export async function lookAtRest(viewer: Viewer, experiment: Experiment, checkpoint?: Uint8Array): Promise<void> {
  const members = membersOf(experiment);
  let probe: Probe | undefined;
  const training = trainingProgram(members, measures, (context) => {
    probe = addProbe(context, experiment.model.kind);
  });
  const name = 'checkpoint.safetensors';
  if (checkpoint) await verifyCheckpoint(checkpoint, name);
  const kept =
    checkpoint && decodeCheckpoint(checkpoint, name, await contentHash(experiment), members.length, training);
  const executor = wasmExecutor({ threads: 1 });
  try {
    const stateOf = kept && ((replica: number) => kept.replicas[replica].state);
    const trainer = await Trainer.create(members, executor, stateOf, training);
    try {
      await viewer.attach(undefined);
      viewer.probe = probe;
      await viewer.keep(trainer.loaded, kept?.step ?? 0);
    } finally {
      trainer.destroy();
    }
  } finally {
    await executor.destroy();
  }
}
