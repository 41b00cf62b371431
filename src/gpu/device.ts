/**
 * A WebGPU device with facts about its adapter, a latch for errors that no call awaited, and a clean shutdown. Independent of the
 * platform: src/platform passes in a `GPU` object.
 */
import { AdapterError, DeviceLostError, GpuError } from '../core/errors.js';

/** The adapter of a measurement: printed with every measured number. */
export interface AdapterSummary {
  /** Marketing or driver name, for example `SwiftShader` or `nvidia-h200`. */
  name: string;
  vendor: string; // as the runtime reports it, '' if it hides it
  architecture: string;
  driver: string; // the driver's description of itself, '' if the runtime hides it
  software: boolean; // runs on the CPU
  runtime: string; // for example `node 20.20.2 (Dawn)`
  backend: string; // for example `vulkan`, 'unknown' if the runtime hides it
}

/** Limits on which a kernel's shape depends, as granted by the device. Sizes in bytes. */
export interface GpuLimits {
  maxBufferSize: number;
  maxStorageBufferBindingSize: number;
  maxUniformBufferBindingSize: number;
  maxStorageBuffersPerShaderStage: number;
  maxUniformBuffersPerShaderStage: number;
  maxBindGroups: number;
  maxComputeWorkgroupStorageSize: number;
  maxComputeInvocationsPerWorkgroup: number;
  maxComputeWorkgroupSizeX: number;
  maxComputeWorkgroupSizeY: number;
  maxComputeWorkgroupSizeZ: number;
  maxComputeWorkgroupsPerDimension: number;
  minStorageBufferOffsetAlignment: number;
  minUniformBufferOffsetAlignment: number;
}

/** Optional features requested if the adapter has them; see `session.features`. */
export const wantedFeatures = [
  'timestamp-query',
  'subgroups',
  'shader-f16',
  'chromium-experimental-subgroup-matrix',
] as const;

export interface OpenGpuOptions {
  powerPreference?: GPUPowerPreference;
  /** Features required for opening. */
  requiredFeatures?: readonly string[];
  /** Lower bounds beyond the portable subset (8 storage buffers, 256 invocations, 16 KiB workgroup memory). */
  requiredLimits?: Partial<GpuLimits>;
  /** Named in `info`; set by the platform. */
  runtime?: string;
  backend?: string;
  /** What to install or do if there is no adapter; the end of the error message. */
  remedy?: string;
  /** CPU time used by the process so far, in milliseconds, if the driver runs in this process and the platform provides it. */
  processorMs?: () => number;
  /** Runs once at the end of `release()`: the platform drops the objects that it kept alive. */
  onRelease?: () => void;
}

export interface GpuSession {
  readonly device: GPUDevice;
  readonly queue: GPUQueue;
  readonly info: AdapterSummary;
  readonly limits: GpuLimits;
  readonly features: ReadonlySet<string>;
  /** Lanes of a subgroup, if WGSL can use subgroups and all have the same size; else 0. */
  readonly subgroupSize: number;
  /** Matrices that a subgroup of 32 multiplies at once, f16 into f32, if WGSL can use them. */
  readonly matrixUnits?: MatrixUnits;
  /** CPU time of the process that contains the driver, over all threads, in milliseconds; undefined if unknown. */
  readonly processorMs?: () => number;
  /** Resolves when the device is lost, with the reason; `released` true after `release()`. */
  readonly lost: Promise<{ message: string; released: boolean }>;
  /** @throws GpuError for an error since the last call that no caller awaited; DeviceLostError once the device is lost. */
  check(): void;
  /** Waits until all submitted work is done, then calls `check()`. Rejects if the device is lost in the meantime. */
  drain(): Promise<void>;
  /** `work`, or a DeviceLostError as soon as the device is lost: for maps and other waits that a lost device may never answer. */
  guard<T>(work: Promise<T>): Promise<T>;
  /** Waits for submitted work, destroys the device, lets the process exit. May be called twice. */
  release(): Promise<void>;
}

const portableMinima: Partial<GpuLimits> = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
};

/** Limits raised to the adapter's own; the others stay at WebGPU's defaults. */
const raisedLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
] as const;

/**
 * Requests an adapter and a device with the adapter's maxima of the limits that kernels can use.
 * @throws AdapterError if there is no adapter, or a required feature or limit is missing.
 */
export async function openGpu(gpu: GPU, options: OpenGpuOptions = {}): Promise<GpuSession> {
  const remedy = options.remedy ?? 'use a runtime with WebGPU, or update the graphics driver';
  const adapter = await requestAdapter(gpu, options.powerPreference ?? 'high-performance', remedy);
  const info = summarize(adapter, options);
  const requiredFeatures = [...wantedFeatures].filter((f) => adapter.features.has(f)) as string[];
  for (const feature of options.requiredFeatures ?? []) {
    if (!adapter.features.has(feature))
      throw new AdapterError(`${info.name}: the feature "${feature}" is required and this adapter lacks it; ${remedy}`);
    if (!requiredFeatures.includes(feature)) requiredFeatures.push(feature);
  }
  const minima = { ...portableMinima, ...options.requiredLimits };
  for (const [key, wanted] of Object.entries(minima)) {
    const got = adapter.limits[key as keyof GpuLimits];
    if (!(got >= wanted))
      throw new AdapterError(`${info.name}: ${key} is ${got}, at least ${wanted} is required; ${remedy}`);
  }
  const requiredLimits: Record<string, number> = { ...options.requiredLimits };
  for (const key of raisedLimits) requiredLimits[key] = adapter.limits[key];
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      requiredFeatures: requiredFeatures as GPUFeatureName[],
      requiredLimits,
      label: 'rhm-lab',
    });
  } catch (error) {
    throw new AdapterError(`${info.name}: no device could be opened (${oneLine(error)}); ${remedy}`, { cause: error });
  }
  return makeSession(device, info, await fixedSubgroupSize(adapter, device), matrixUnitsOf(adapter, device), options);
}

async function requestAdapter(gpu: GPU, powerPreference: GPUPowerPreference, remedy: string): Promise<GPUAdapter> {
  let reason = '';
  for (const request of [{ powerPreference }, {}]) {
    try {
      const adapter = await gpu.requestAdapter(request);
      if (adapter) return adapter;
    } catch (error) {
      reason = ` (${oneLine(error)})`;
    }
  }
  throw new AdapterError(`No WebGPU adapter was found${reason}; ${remedy}`);
}

async function fixedSubgroupSize({ info }: GPUAdapter, device: GPUDevice): Promise<number> {
  const { subgroupMinSize = 0, subgroupMaxSize = 0 } = info ?? {};
  if (!device.features.has('subgroups') || subgroupMinSize !== subgroupMaxSize) return 0;
  // Deno 2.9 offers the feature but refuses its WGSL (https://github.com/gfx-rs/wgpu/issues/5555).
  device.pushErrorScope('validation');
  device.createShaderModule({ label: 'subgroups', code: 'enable subgroups;' });
  return (await device.popErrorScope()) ? 0 : subgroupMinSize;
}

/** M x N x K. */
export interface MatrixUnits {
  m: number;
  n: number;
  k: number;
}

/** Shapes that the kernels support, best first: NVIDIA and AMD, Intel, Apple. Only the first was measured. */
const matrixShapes: readonly MatrixUnits[] = [
  { m: 16, n: 16, k: 16 },
  { m: 8, n: 16, k: 16 },
  { m: 8, n: 8, k: 8 },
];

/** The adapter's part of `chromium-experimental-subgroup-matrix`; the types do not include it yet. */
interface SubgroupMatrixConfig {
  componentType: string;
  resultComponentType: string;
  M: number;
  N: number;
  K: number;
}

function matrixUnitsOf({ info }: GPUAdapter, { features }: GPUDevice): MatrixUnits | undefined {
  const needed = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];
  if (!needed.every((name) => features.has(name))) return undefined;
  if (info?.subgroupMinSize !== 32 || info.subgroupMaxSize !== 32) return undefined;
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig> };
  const configs = [...subgroupMatrixConfigs].filter(
    (c) => c.componentType === 'f16' && c.resultComponentType === 'f32',
  );
  return matrixShapes.find(({ m, n, k }) => configs.some(({ M, N, K }) => M === m && N === n && K === k));
}

function makeSession(
  device: GPUDevice,
  info: AdapterSummary,
  subgroupSize: number,
  matrixUnits: MatrixUnits | undefined,
  { processorMs, onRelease }: OpenGpuOptions,
): GpuSession {
  let latched: GpuError | undefined;
  let lostBy: string | undefined;
  let releasing: Promise<void> | undefined;
  const waiting = new Set<(reason: Error) => void>(); // guarded waits that are still open
  const onError = (event: GPUUncapturedErrorEvent) => {
    event.preventDefault?.();
    latched ??= new GpuError(`The GPU reported an error that no call waited for: ${oneLine(event.error)}`, {
      cause: event.error,
    });
  };
  device.addEventListener('uncapturederror', onError);
  const lost = device.lost.then((lostInfo) => {
    lostBy = oneLine(lostInfo.message || lostInfo.reason || 'no reason given');
    for (const reject of waiting) reject(lostError());
    waiting.clear();
    return { message: lostBy, released: releasing !== undefined };
  });
  const lostError = () =>
    new DeviceLostError(
      releasing
        ? 'The GPU device was released; open a new one before further GPU work'
        : `The GPU device was lost (${lostBy}); start again, a run continues from its last checkpoint with --resume`,
    );
  const session: GpuSession = {
    device,
    queue: device.queue,
    info,
    limits: device.limits as GpuLimits,
    features: new Set(device.features),
    subgroupSize,
    matrixUnits,
    processorMs,
    lost,
    check() {
      if (lostBy !== undefined || releasing) throw lostError();
      if (latched) {
        const error = latched;
        latched = undefined;
        throw error;
      }
    },
    async drain() {
      if (lostBy !== undefined || releasing) throw lostError();
      await session.guard(device.queue.onSubmittedWorkDone());
      session.check();
    },
    guard(work) {
      // Not Promise.race with `lost`: each race would leave a reaction on that long-lived promise.
      return new Promise((resolve, reject) => {
        if (lostBy !== undefined || releasing) {
          work.catch(() => {});
          return reject(lostError());
        }
        waiting.add(reject);
        work.then(
          (value) => {
            waiting.delete(reject);
            resolve(value);
          },
          // On some runtimes a map that fails because the device is lost reports it before `lost` does: let `lost` go first.
          (error) =>
            setTimeout(() => {
              waiting.delete(reject);
              reject(error);
            }, 0),
        );
      });
    },
    release() {
      releasing ??= (async () => {
        // Destroying with maps or waits pending aborts some runtimes: let the queue finish first.
        if (lostBy === undefined) await Promise.race([device.queue.onSubmittedWorkDone(), lost]).catch(() => {});
        device.removeEventListener('uncapturederror', onError);
        device.destroy();
        await lost;
        onRelease?.();
      })();
      return releasing;
    },
  };
  return session;
}

const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|software|microsoft basic render|\bwarp\b/i;

function summarize(adapter: GPUAdapter, options: OpenGpuOptions): AdapterSummary {
  const { vendor = '', architecture = '', device = '', description = '' } = adapter.info ?? {};
  const all = `${vendor} ${architecture} ${device} ${description}`;
  const fallback =
    adapter.info?.isFallbackAdapter ?? (adapter as { isFallbackAdapter?: boolean }).isFallbackAdapter ?? false;
  let name = device.replace(/-+$/, '') || description || `${vendor} ${architecture}`.trim() || 'unnamed adapter';
  if (/swiftshader/i.test(all)) name = 'SwiftShader';
  else if (/llvmpipe|lavapipe/i.test(all)) name = 'lavapipe';
  return {
    name,
    vendor,
    architecture,
    driver: description,
    software: fallback || softwareNames.test(all),
    runtime: options.runtime ?? 'unknown runtime',
    backend: options.backend ?? 'unknown',
  };
}

/** An adapter in one line, for logs and tables. */
export function describeAdapter(info: AdapterSummary): string {
  const driver = info.driver && info.driver !== info.name ? `, ${info.driver}` : '';
  return `${info.name}${driver}${info.software ? ' (software)' : ''} on ${info.runtime}`;
}

/** The first paragraph of an error message as one line. */
export function oneLine(error: unknown): string {
  const text =
    error instanceof Error || (error && typeof error === 'object' && 'message' in error)
      ? String((error as { message: unknown }).message)
      : String(error);
  return text
    .split(/\n\s*\n|\n\s+at /)[0]
    .replace(/\s+/g, ' ')
    .trim();
}
