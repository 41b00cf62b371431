/** The notice for a visitor without a usable GPU; undefined if there is one. */
export async function gpuNotice(): Promise<string | undefined> {
  const { gpu } = navigator as Navigator & { gpu?: GPU };
  const instead = 'Everything runs on the CPU in WebAssembly instead, only more slowly.';
  if (!gpu)
    return isSecureContext
      ? `This browser offers no WebGPU. ${instead} To use the GPU, open it in Chrome or Edge 113, Firefox 141 (Windows, macOS) or Safari 26, or a newer version; on Linux, start Chrome with --enable-unsafe-webgpu.`
      : `This browser offers WebGPU only on secure pages. ${instead} To use the GPU, open the page over https or from localhost.`;
  try {
    const adapter = await gpu.requestAdapter();
    if (adapter) return undefined;
  } catch {
    // Treated like a missing adapter.
  }
  return `This browser supports WebGPU but found no graphics adapter. ${instead} See chrome://gpu for the reason, and update the graphics driver.`;
}
