/** What a visitor without a usable GPU is told; undefined where there is one. */
export async function gpuNotice(): Promise<string | undefined> {
  const { gpu } = navigator as Navigator & { gpu?: GPU };
  const instead = 'Everything works on the CPU instead, in WebAssembly, only slower.';
  if (!gpu)
    return isSecureContext
      ? `This browser offers no WebGPU. ${instead} For the GPU use Chrome or Edge 113, Firefox 141 (Windows, macOS), Safari 26 or newer; on Linux start Chrome with --enable-unsafe-webgpu.`
      : `Without https this browser offers no WebGPU. ${instead} For the GPU open the page from https or from localhost.`;
  try {
    const adapter = await gpu.requestAdapter();
    if (adapter) return undefined;
  } catch {
    // The same as no adapter.
  }
  return `This browser knows WebGPU but found no graphics adapter. ${instead} See chrome://gpu for the reason, and update the graphics driver.`;
}
