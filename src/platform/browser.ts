/** WebGPU in a page or a web worker. */
import { AdapterError } from '../core/errors.js';
import type { Host } from '../core/records.js';
import { type GpuSession, openGpu } from '../gpu/device.js';
import { openOriginFolder, readOriginFile } from './opfsFolder.js';
import type { OpenPlatformGpuOptions, Platform } from './platform.js';
import { spawnWebThread } from './webThread.js';

const runtime = browserName(globalThis.navigator?.userAgent ?? '');

export const browserPlatform: Platform = {
  name: 'browser',
  runtime,
  host: browserHost,
  openGpu: openBrowserGpu,
  wantedAdapter: () => undefined,
  cores: globalThis.navigator?.hardwareConcurrency ?? 1,
  openFolder: openOriginFolder,
  readRunFile: readOriginFile,
  spawnThread: spawnWebThread,
};

/** A device for a page. @throws AdapterError that says how to get WebGPU in this browser. */
export async function openBrowserGpu(options: OpenPlatformGpuOptions = {}): Promise<GpuSession> {
  const { gpu } = navigator as Navigator & { gpu?: GPU };
  if (!gpu) {
    const why =
      globalThis.isSecureContext === false
        ? 'this page is not a secure context: serve it from https or from localhost'
        : remedy;
    throw new AdapterError(`This browser offers no WebGPU; ${why}`);
  }
  return openGpu(gpu, { remedy, runtime, ...options });
}

const remedy =
  'use Chrome or Edge 113, Firefox 141 (Windows, macOS), Safari 26 or newer; on Linux start Chrome with --enable-unsafe-webgpu, and see chrome://gpu';

function browserHost(): Host {
  const {
    hardwareConcurrency: cores,
    platform,
    userAgentData,
  } = navigator as Navigator & {
    userAgentData?: { platform?: string };
  };
  const os = userAgentData?.platform || platform || undefined;
  return { runtime, os, processor: cores ? `${cores} core${cores === 1 ? '' : 's'}` : undefined };
}

function browserName(agent: string): string {
  const [, name, version] = /(Edg|Firefox|HeadlessChrome|Chrome)\/(\d+)/.exec(agent) ?? [];
  if (name) return `${name === 'Edg' ? 'Edge' : name === 'HeadlessChrome' ? 'Chrome (headless)' : name} ${version}`;
  const safari = /Version\/([\d.]+).*Safari/.exec(agent);
  return safari ? `Safari ${safari[1]}` : 'a browser';
}
