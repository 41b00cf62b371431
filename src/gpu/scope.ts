/** Creation under error scopes: a refused shader, pipeline or buffer throws where it was made, with the WGSL line. */
import { GpuError } from '../core/errors.js';
import { type GpuSession, oneLine } from './device.js';
import { bufferUsage, mapMode } from './flags.js';

/**
 * Runs `create` under validation, out-of-memory and internal error scopes.
 * @throws GpuError `what: reason` if the GPU refuses.
 */
export async function scoped<T>(session: GpuSession, what: string, create: () => T | Promise<T>): Promise<T> {
  const { device } = session;
  const filters = ['internal', 'out-of-memory', 'validation'] as const;
  for (const filter of filters) device.pushErrorScope(filter);
  let made: T | Promise<T>;
  let scopes: Promise<GPUError | null>[];
  try {
    made = create(); // scopes are popped before anything is awaited, so that concurrent calls do not mix
  } finally {
    scopes = filters.map(() => device.popErrorScope());
  }
  const [result, ...errors] = await Promise.allSettled([made, ...scopes]);
  for (const error of errors)
    if (error.status === 'fulfilled' && error.value)
      throw new GpuError(`${what}: ${oneLine(error.value)}`, { cause: error.value });
  if (result.status === 'rejected') throw new GpuError(`${what}: ${oneLine(result.reason)}`, { cause: result.reason });
  session.check();
  return (result as PromiseFulfilledResult<Awaited<T>>).value as T;
}

/**
 * Compiles WGSL.
 * @throws GpuError with the label, line, column and the source line of the first compilation error.
 */
export async function compileShader(session: GpuSession, label: string, code: string): Promise<GPUShaderModule> {
  const { device } = session;
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label, code });
  const scope = device.popErrorScope();
  const info = await session.guard(module.getCompilationInfo());
  const failure = await scope;
  const bad = info.messages.find((m) => m.type === 'error');
  if (bad) throw new GpuError(wgslMessage(label, code, bad.lineNum, bad.linePos, oneLine(bad.message)));
  if (failure) {
    // Runtimes without compilation messages include the position in the text.
    const at = /:(\d+):(\d+)/.exec(failure.message);
    throw new GpuError(wgslMessage(label, code, Number(at?.[1] ?? 0), Number(at?.[2] ?? 0), oneLine(failure)));
  }
  return module;
}

function wgslMessage(label: string, code: string, line: number, column: number, message: string): string {
  const source = line > 0 ? code.split('\n')[line - 1]?.trim() : undefined;
  return `${label}.wgsl${line > 0 ? `:${line}:${column}` : ''}: ${message}${source ? `; the line reads \`${source}\`` : ''}`;
}

/**
 * A buffer, checked against the device's limits first.
 * @throws GpuError naming the label, the bytes requested and the limit.
 */
export async function createBuffer(
  session: GpuSession,
  label: string,
  bufferBytes: number,
  usage: GPUBufferUsageFlags,
): Promise<GPUBuffer> {
  const { maxBufferSize, maxStorageBufferBindingSize } = session.limits;
  const bound = usage & bufferUsage.storage ? Math.min(maxBufferSize, maxStorageBufferBindingSize) : maxBufferSize;
  if (!(bufferBytes <= bound))
    throw new GpuError(
      `buffer ${label}: ${bufferBytes} bytes are requested, ${session.info.name} allows ${bound}; use a smaller batch, width or number of replicas`,
    );
  return scoped(session, `buffer ${label} of ${bufferBytes} bytes`, () =>
    session.device.createBuffer({ label, size: Math.ceil(bufferBytes / 4) * 4, usage }),
  );
}

/** Copies `bytes` bytes of `buffer` (usage COPY_SRC) from `offset` to the host. Offset and bytes are multiples of 4. */
export async function readBuffer(
  session: GpuSession,
  buffer: GPUBuffer,
  bytes: number = buffer.size,
  offset = 0,
): Promise<ArrayBuffer> {
  const { device } = session;
  const staging = device.createBuffer({
    label: 'readback',
    size: bytes,
    usage: bufferUsage.mapRead | bufferUsage.copyDst,
  });
  try {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await session.guard(staging.mapAsync(mapMode.read));
    const copy = staging.getMappedRange().slice(0);
    staging.unmap();
    session.check();
    return copy;
  } finally {
    staging.destroy();
  }
}
