/** Every error a user can meet. Each message is one paragraph: where it happened, what was expected, what was given, what to do. */
export class RhmError extends Error {
  /** Exit status of the command line: 2 for wrong usage or input, 1 for failure. */
  readonly exitCode: number = 1;
  /** The name is written as text in every class because bundlers that shorten names also change class names. */
  override get name() {
    return 'RhmError';
  }
}

/** Wrong input: the message names the field, the bound and the remedy. */
export class InputError extends RhmError {
  override readonly exitCode: number = 2;
  override get name() {
    return 'InputError';
  }
}

/** Written by a newer version of this program: another program may be able to do the work. */
export class VersionError extends InputError {
  override get name() {
    return 'VersionError';
  }
}

/** This engine or CPU lacks what the run began with, or was told not to use it: another one may continue the run. */
export class EngineError extends InputError {
  override get name() {
    return 'InputError';
  }
}

/** Shapes that do not match: names the operation and both shapes. Raised at plan time, before any GPU work. */
export class ShapeError extends InputError {
  override get name() {
    return 'ShapeError';
  }
}

/** No WebGPU adapter, a missing feature, a limit that is too small; says what to install. */
export class AdapterError extends RhmError {
  override get name() {
    return 'AdapterError';
  }
}

/** A shader or a GPU call was refused, or an earlier GPU error was latched. */
export class GpuError extends RhmError {
  override get name() {
    return 'GpuError';
  }
}

/** The device is lost. The run can be continued from its last checkpoint. */
export class DeviceLostError extends GpuError {
  override get name() {
    return 'DeviceLostError';
  }
}

/** A file could not be read or written. */
export class FileError extends RhmError {
  override get name() {
    return 'FileError';
  }
}

/** A file was changed or shortened, or lost a part: it stays wrong until it is restored or removed. */
export class DamageError extends FileError {
  override get name() {
    return 'FileError';
  }
}

/** There is no room for a file: it can be written once there is. */
export class DiskFullError extends FileError {
  override get name() {
    return 'FileError';
  }
}

/** Whether a system's error code means that there is no room. */
export const isFull = (code: string | undefined): boolean => code === 'ENOSPC' || code === 'EDQUOT';

/** Another process is working in the folder: it is free again when that process is done or gone. */
export class FolderBusyError extends FileError {
  override get name() {
    return 'FileError';
  }
}

/** The queue of a sweep cannot be reached, or refuses access. Messages contain no passwords. */
export class QueueError extends RhmError {
  override get name() {
    return 'QueueError';
  }
}

/** WebAssembly is missing here, or its module could not be compiled. */
export class WasmError extends RhmError {
  override get name() {
    return 'WasmError';
  }
}

/** A worker thread threw, crashed or was terminated. */
export class WorkerError extends RhmError {
  override get name() {
    return 'WorkerError';
  }
}
