/** The software drivers that this machine can run tests on: SwiftShader always, lavapipe where it is installed. */
import { lavapipeManifest } from '../../src/platform/driver.js';

export const softwareDrivers: readonly string[] = lavapipeManifest(process.env)
  ? ['swiftshader', 'lavapipe']
  : ['swiftshader'];

/** The adapters for tests of the device or of a single operation: the software drivers; on macOS and Windows the machine's own adapter. */
export const testAdapters: readonly (string | undefined)[] =
  process.platform === 'linux' ? softwareDrivers : [undefined];

/** The error with which `work` ends. @throws if it does not fail. */
export async function failure(work: () => unknown): Promise<Error> {
  try {
    await work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was expected to fail and did not');
}
