/** WebGPU in Node, through Dawn (npm `webgpu`): the machine's own GPU, an installed software driver, or the one from npm. */
import { createRequire } from 'node:module';
import { availableParallelism, constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { AdapterError, InputError } from '../core/errors.js';
import { type GpuSession, oneLine, openGpu } from '../gpu/device.js';
import { installedDrivers, lavapipeManifest, processorMs, type SoftwareDriver, softwareDriver } from './driver.js';
import { hostOf } from './host.js';
import { openRunFolder, readRunFile } from './nodeFolder.js';
import { withEnvironment } from './nodeLock.js';
import { spawnNodeThread } from './nodeThread.js';
import type { OpenPlatformGpuOptions, Platform } from './platform.js';
import { loadTuned } from './tuned.js';

export interface OpenNodeGpuOptions extends OpenPlatformGpuOptions {
  /** Dawn switches for `create()`, for example `backend=opengles`. */
  dawnFlags?: readonly string[];
}

const runtime = `node ${process.versions.node}`;

export const nodePlatform: Platform = {
  name: 'node',
  runtime,
  host: () => hostOf(runtime),
  openGpu: openNodeGpu,
  tuned: loadTuned,
  wantedAdapter: () => process.env.RHM_ADAPTER || undefined,
  cores: availableParallelism(),
  openFolder: async (path) => openRunFolder(path),
  readRunFile: async (path, file) => readRunFile(path, file),
  spawnThread: spawnNodeThread,
};

/**
 * A device for Node. Order: the machine's own GPU, an installed software driver (Mesa lavapipe 24 or newer), the SwiftShader
 * driver of the optional package @sparticuz/chromium. `session.info` tells which was taken; release the session at the end.
 * @throws AdapterError naming what to install; InputError for an unknown `adapter`.
 */
export function openNodeGpu(options: OpenNodeGpuOptions = {}): Promise<GpuSession> {
  return withEnvironment(() => choose(options));
}

async function choose(options: OpenNodeGpuOptions): Promise<GpuSession> {
  const wanted = options.adapter ?? (process.env.RHM_ADAPTER || undefined);
  const key = wanted?.toLowerCase();
  if (wanted !== undefined && !wanted.trim())
    throw new InputError('adapter: an empty name; give gpu, lavapipe, swiftshader or the name of an adapter');
  if (process.platform !== 'linux') return open(options, wanted && key !== 'gpu' ? [`adapter=${wanted}`] : [], key);
  if (key === 'swiftshader') return openSwiftShader(options);
  if (key === 'lavapipe') {
    const manifest = lavapipeManifest(process.env);
    if (!manifest)
      throw new AdapterError(
        'adapter lavapipe: no lavapipe driver is installed; install the package mesa-vulkan-drivers (24 or newer), or use adapter swiftshader',
      );
    return withDriver(manifest, () => open(options, [], key));
  }
  if (!installedDrivers(process.env).length) {
    if (wanted) throw new AdapterError(`adapter ${wanted}: no Vulkan driver is installed; ${remedy()}`);
    return openSwiftShader(options);
  }
  if (wanted && key !== 'gpu') return open(options, [`adapter=${wanted}`], key);
  try {
    return await open(options, [], key);
  } catch (error) {
    // An installed driver that Dawn refuses (lavapipe older than 24), or a loader without a device.
    if (!(error instanceof AdapterError) || key === 'gpu') throw error;
    options.report?.('no installed Vulkan driver works, falling back to the SwiftShader software driver');
    return openSwiftShader(options);
  }
}

const keptAlive = new WeakMap<GPUDevice, { gpu?: GPU }>(); // referenced through the device, in case its session is dropped

async function open(options: OpenNodeGpuOptions, flags: string[], key?: string): Promise<GpuSession> {
  const { create, globals } = await loadDawn();
  Object.assign(globalThis, globals); // GPUBufferUsage and similar constants, as in a browser
  const all = [
    'disable-dawn-features=timestamp_quantization',
    'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia',
    ...flags,
  ];
  // The object that create() returns must stay referenced while the device is alive: dropping it crashed 12 of 12 runs of webgpu
  // 0.6.2. It is dropped on release, because Node does not exit while it is referenced.
  const holder: { gpu?: GPU } = {};
  holder.gpu = create([...(options.dawnFlags ?? []), ...all]) as unknown as GPU;
  try {
    const session = await openGpu(holder.gpu, {
      remedy: remedy(),
      runtime: `${runtime} (Dawn, webgpu ${dawnVersion()})`,
      backend: dawnBackend(options.dawnFlags),
      processorMs,
      ...options,
      onRelease: () => {
        options.onRelease?.();
        holder.gpu = undefined;
      },
    });
    keptAlive.set(session.device, holder);
    if (key === 'gpu' && session.info.software) {
      await session.release();
      throw new AdapterError(`adapter gpu: only the software driver ${session.info.name} was found; ${remedy()}`);
    }
    return session;
  } catch (error) {
    holder.gpu = undefined;
    throw error;
  }
}

async function openSwiftShader(options: OpenNodeGpuOptions): Promise<GpuSession> {
  let driver: SoftwareDriver;
  try {
    if (process.arch !== 'x64') throw new AdapterError(`The SwiftShader driver of npm is for x64, not ${process.arch}`);
    driver = softwareDriver(process.env, options.report);
  } catch (error) {
    throw new AdapterError(`No WebGPU adapter was found (${oneLine(error)}); ${remedy()}`, { cause: error });
  }
  preloadLoader(driver.loader);
  return withDriver(driver.manifest, () => open(options, [], 'swiftshader'));
}

/** Points the Vulkan loader at one driver while `work` opens a device. */
async function withDriver(manifest: string, work: () => Promise<GpuSession>): Promise<GpuSession> {
  const names = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = manifest;
  try {
    return await work();
  } catch (error) {
    // A worker's process.env is a copy unless it was started with SHARE_ENV: the driver does not see variables set there.
    if (!isMainThread && error instanceof AdapterError)
      error.message += '. In a worker thread, start it with { env: SHARE_ENV } so that the choice of driver reaches it';
    throw error;
  } finally {
    names.forEach((name, i) => {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    });
  }
}

let preloaded = false;

/**
 * Dawn loads `libvulkan.so.1` by name. If the system has none, a library of that name that is already in the process is used: it
 * is loaded here by its path. It is not a Node addon, so process.dlopen throws after loading it; RTLD_NODELETE keeps it in the
 * process. A system loader, if there is one, is preferred and loaded first.
 */
function preloadLoader(file: string): void {
  if (preloaded) return;
  preloaded = true;
  const flags = constants.dlopen.RTLD_NOW | 0x1000; /* RTLD_NODELETE, glibc */
  for (const name of ['libvulkan.so.1', file]) {
    try {
      process.dlopen({ exports: {} }, name, flags);
    } catch (error) {
      if (/self-register/.test(String(error))) return;
    }
  }
}

async function loadDawn(): Promise<{ create(flags: string[]): unknown; globals: object }> {
  try {
    return (await import('webgpu')) as unknown as { create(flags: string[]): unknown; globals: object };
  } catch (error) {
    throw new AdapterError(
      `The package webgpu (Dawn for Node) could not be loaded on ${process.platform}-${process.arch} (${oneLine(error)}); run npm install webgpu on a glibc Linux, macOS or Windows, or use Deno or a browser`,
      { cause: error },
    );
  }
}

/** Version of the package that contains Dawn. */
function dawnVersion(): string {
  return (createRequire(import.meta.url)('webgpu/package.json') as { version: string }).version;
}

function dawnBackend(flags: readonly string[] = []): string {
  const named = flags.find((f) => f.startsWith('backend='))?.slice(8);
  return named ?? ({ darwin: 'metal', win32: 'd3d12' } as Record<string, string>)[process.platform] ?? 'vulkan';
}

/** What to install on this system. */
function remedy(): string {
  if (process.platform === 'darwin')
    return 'macOS needs Metal: run on a Mac with a GPU that is not hidden by a virtual machine';
  if (process.platform === 'win32') return 'Windows needs Direct3D 12: update the graphics driver';
  return "install the GPU maker's Vulkan driver and the package libvulkan1 (Fedora, Arch: vulkan-loader), or the software driver: mesa-vulkan-drivers 24 or newer (Debian 12: from bookworm-backports), or npm install @sparticuz/chromium@147.0.0";
}
