/** Files that the build inlines: shaders as text, others as bytes. */
declare module '*.wgsl' {
  const source: string;
  export default source;
}
declare module '*.safetensors' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module '*.wasm' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module '*.patch' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
