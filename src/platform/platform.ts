/** What the entry points need to know about where they run; node, deno and browser each provide one. */

import type { Host } from '../core/records.js';
import type { SpawnThread } from '../core/wasmThreads.js';
import type { AdapterSummary, GpuSession, OpenGpuOptions } from '../gpu/device.js';
import type { RunFolder } from '../training/folder.js';

export interface OpenPlatformGpuOptions extends OpenGpuOptions {
  /** `gpu` (real hardware only), `lavapipe`, `swiftshader`, or a name. Default: RHM_ADAPTER, else the best available. */
  adapter?: string;
  /** Called with what is being set up. */
  report?: (line: string) => void;
}

export interface Platform {
  readonly name: 'node' | 'deno' | 'browser';
  readonly runtime: string; // for example `node 20.20.2`
  /** For the start records of a run. */
  host(): Host;
  openGpu(options?: OpenPlatformGpuOptions): Promise<GpuSession>;
  /** The adapter that the environment requests (RHM_ADAPTER). */
  wantedAdapter(): string | undefined;
  /** Winners of earlier `rhm tune` runs on an adapter, if the platform keeps a cache. */
  tuned?(info: AdapterSummary, report?: (line: string) => void): ReadonlyMap<string, string>;
  readonly cores: number; // CPU cores this program may use
  /** Opens a run folder and locks it: a path, or a name in the page's private file system. @throws FileError */
  openFolder(path: string): Promise<RunFolder>;
  /** A file of a run folder, without locking the folder; undefined: there is none. @throws FileError */
  readRunFile(path: string, file: string): Promise<Uint8Array | undefined>;
  /** Starts a thread of the WebAssembly executor. */
  readonly spawnThread?: SpawnThread;
}
