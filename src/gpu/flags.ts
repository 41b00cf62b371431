/** WebGPU's flags by name: Node and Deno have no globals for them before there is a device. */
export const bufferUsage = {
  mapRead: 0x1,
  copySrc: 0x4,
  copyDst: 0x8,
  uniform: 0x40,
  storage: 0x80,
  queryResolve: 0x200,
} as const;

export const textureUsage = { copySrc: 0x1, renderAttachment: 0x10 } as const;
export const mapMode = { read: 0x1 } as const;
export const shaderStage = { vertex: 0x1, fragment: 0x2, compute: 0x4 } as const;
