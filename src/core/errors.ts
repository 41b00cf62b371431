/** Every error a user can meet. Each message is one paragraph: where, what was wanted, what came, what to do. */
export class RhmError extends Error {
  /** Exit status of the command line: 2 wrong usage or input, 1 failure. */
  readonly exitCode: number = 1;
  override get name() {
    return this.constructor.name;
  }
}

/** Wrong input: the message names the field, the bound and the remedy. */
export class InputError extends RhmError {
  override readonly exitCode: number = 2;
}

/** Made by a version of this program that knows more than this one: another may do what is asked. */
export class VersionError extends InputError {}

/** This engine or processor lacks what the run began with, or was told to do without: another may go on with it. */
export class EngineError extends InputError {
  override get name() {
    return 'InputError';
  }
}

/** Shapes that do not fit: names the operation and both shapes. Raised at plan time, before any GPU work. */
export class ShapeError extends InputError {}

/** No WebGPU adapter, a missing feature, a limit too small; says what to install. */
export class AdapterError extends RhmError {}

/** A shader or a GPU call was refused, or an earlier GPU error was latched. */
export class GpuError extends RhmError {}

/** The device is gone. The run can be continued from its last checkpoint. */
export class DeviceLostError extends GpuError {}

/** A file could not be read or written. */
export class FileError extends RhmError {}

/** A file was changed, shortened or lost a part: it stays wrong until somebody restores or removes it. */
export class DamageError extends FileError {
  override get name() {
    return 'FileError';
  }
}

/** There is no room for a file: it can be written when there is. */
export class DiskFullError extends FileError {
  override get name() {
    return 'FileError';
  }
}

/** Whether a system's error code says that there is no room. */
export const isFull = (code: string | undefined): boolean => code === 'ENOSPC' || code === 'EDQUOT';

/** Somebody else is working in the folder: it is free again when they are done, or gone. */
export class FolderBusyError extends FileError {
  override get name() {
    return 'FileError';
  }
}

/** The queue of a sweep cannot be reached or refuses to be used. Messages hold no passwords. */
export class QueueError extends RhmError {}

/** WebAssembly is missing here, or its module could not be compiled. */
export class WasmError extends RhmError {}

/** A worker thread threw, crashed or was terminated. */
export class WorkerError extends RhmError {}
