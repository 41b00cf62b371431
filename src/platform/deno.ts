/** WebGPU in Deno (wgpu): the machine's own Vulkan driver, or the software driver from npm. */
import { AdapterError } from '../core/errors.js';
import { type GpuSession, oneLine, openGpu } from '../gpu/device.js';
import { installedDrivers, lavapipeManifest, processorMs, softwareDriver } from './driver.js';
import { hostOf } from './host.js';
import { openRunFolder, readRunFile } from './nodeFolder.js';
import type { OpenPlatformGpuOptions, Platform } from './platform.js';
import { loadTuned } from './tuned.js';
import { spawnWebThread } from './webThread.js';

/** The parts of Deno's API used here; its full types are not a dependency of the project. */
interface DenoApi {
  version: { deno: string };
  build: { os: string; arch: string };
  env: {
    toObject(): Record<string, string>;
    get(name: string): string | undefined;
    set(name: string, value: string): void;
    delete(name: string): void;
  };
  dlopen(file: string, symbols: object): unknown;
  permissions: { querySync(permission: { name: 'sys'; kind: string }): { state: string } };
}
const deno = (globalThis as unknown as { Deno: DenoApi }).Deno;
const runtime = deno ? `deno ${deno.version.deno}` : 'not deno';

export const denoPlatform: Platform = {
  name: 'deno',
  runtime,
  host: () => hostOf(runtime, (kind) => deno.permissions.querySync({ name: 'sys', kind }).state === 'granted'),
  openGpu: openDenoGpu,
  tuned: loadTuned,
  wantedAdapter: () => deno.env.get('RHM_ADAPTER') || undefined,
  cores: globalThis.navigator?.hardwareConcurrency ?? 1,
  openFolder: async (path) => openRunFolder(path),
  readRunFile: async (path, file) => readRunFile(path, file),
  spawnThread: spawnWebThread,
};

/**
 * A device for Deno, in the same order as in Node. Needs --allow-env, --allow-read; for the software driver from npm also
 * --allow-write and --allow-ffi (or -A).
 * @throws AdapterError naming what to install.
 */
export async function openDenoGpu(options: OpenPlatformGpuOptions = {}): Promise<GpuSession> {
  const env = deno.env.toObject();
  const wanted = (options.adapter ?? env.RHM_ADAPTER ?? '').toLowerCase();
  if (deno.build.os !== 'linux') return open(options, wanted);
  const lavapipe = lavapipeManifest(env);
  if (wanted === 'lavapipe') {
    if (!lavapipe)
      throw new AdapterError('adapter lavapipe: no lavapipe driver is installed; install mesa-vulkan-drivers');
    return withDriver(lavapipe, () => open(options, wanted));
  }
  if (wanted !== 'swiftshader' && installedDrivers(env).length) {
    try {
      return await open(options, wanted);
    } catch (error) {
      if (!(error instanceof AdapterError) || wanted) throw error;
      options.report?.('no installed Vulkan driver works, falling back to the SwiftShader software driver');
    }
  }
  if (wanted && wanted !== 'swiftshader')
    throw new AdapterError(`adapter ${wanted}: no Vulkan driver is installed; ${remedy}`);
  const driver = attempt(() => softwareDriver(env, options.report));
  preloadLoader(driver.loader);
  return withDriver(driver.manifest, () => open(options, 'swiftshader'));
}

const remedy =
  "install a Vulkan driver (GPU maker's, or mesa-vulkan-drivers) with libvulkan1, or npm install @sparticuz/chromium@147.0.0; allow Deno --allow-env --allow-read --allow-write --allow-ffi";

async function open(options: OpenPlatformGpuOptions, wanted: string): Promise<GpuSession> {
  const gpu = (navigator as Navigator & { gpu?: GPU }).gpu;
  if (!gpu) throw new AdapterError(`This Deno has no WebGPU: use Deno 2.9 or newer; ${remedy}`);
  const session = await openGpu(gpu, {
    remedy,
    runtime: `${runtime} (wgpu)`,
    backend: 'vulkan',
    processorMs,
    ...options,
  });
  const { info } = session;
  const named = ['lavapipe', 'swiftshader'].includes(wanted)
    ? info.name.toLowerCase() === wanted
    : !wanted || wanted === 'gpu'
      ? true
      : `${info.name} ${info.driver}`.toLowerCase().includes(wanted);
  if (!named || (wanted === 'gpu' && info.software)) {
    await session.release();
    throw new AdapterError(`adapter ${wanted}: only ${info.name} was found; ${remedy}`);
  }
  return session;
}

async function withDriver(manifest: string, work: () => Promise<GpuSession>): Promise<GpuSession> {
  const names = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'];
  const before = names.map((name) => deno.env.get(name));
  for (const name of names) deno.env.set(name, manifest);
  try {
    return await work();
  } finally {
    names.forEach((name, i) => {
      const value = before[i];
      if (value === undefined) deno.env.delete(name);
      else deno.env.set(name, value);
    });
  }
}

let loader: unknown; // kept open: closing it would unload the library

/** wgpu loads `libvulkan.so.1` by name: if the system has none, one already loaded in the process is used. */
function preloadLoader(file: string): void {
  for (const name of ['libvulkan.so.1', file]) {
    if (loader) return;
    try {
      loader = deno.dlopen(name, {});
    } catch {}
  }
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new AdapterError(`No WebGPU adapter was found (${oneLine(error)}); ${remedy}`, { cause: error });
  }
}
