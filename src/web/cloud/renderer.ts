/** Draws a cloud of points: through WebGPU from the buffer that contains the activations, or on a 2D canvas if there is none. */

import { mat4 } from 'wgpu-matrix';
import shader from '../../../shaders/cloud.wgsl';
import type { Cloud, Rows } from '../../analysis/pca.js';
import { DeviceLostError } from '../../core/errors.js';
import { type GpuSession, oneLine } from '../../gpu/device.js';
import { bufferUsage, mapMode, textureUsage } from '../../gpu/flags.js';
import { symbolColour, symbolRgb } from '../colours.js';

export interface Camera {
  yaw: number; // radians
  pitch: number;
  distance: number; // in units of the cloud's radius
  background: readonly [number, number, number]; // sRGB, 0 to 1
  width: number; // size of the picture, pixels: the canvas takes it only once the picture is ready
  height: number;
  chosen: number; // sentence marked with a ring, -1: none
  only: number; // symbol that is highlighted, -1: none
}

export interface Scene {
  cloud: Cloud;
  rows: Rows; // on the host
  symbols: Uint32Array; // [count]
  kinds: number; // number of symbols
  /** Location of the same rows on the device that draws; absent: they are uploaded. */
  buffer?: { buffer: GPUBuffer; offset: number; size: number };
}

export interface Renderer {
  /** Why the picture was refused, if it was. */
  readonly problem: string | undefined;
  readonly kind: 'webgpu' | '2d';
  show(scene: Scene): void;
  /** Resolves when the picture is ready: the time this takes limits how often it is requested. */
  draw(camera: Camera): Promise<void>;
  destroy(): void;
}

const UNIFORM_BYTES = 64 + 16 + 16 + 16 + 16 + 64 * 16;
const SAMPLES = 4;

/** World to clip: the camera turns about the centre of the cloud. */
export function cameraMatrix({ yaw, pitch, distance, width, height }: Camera): Float32Array {
  const eye = [
    distance * Math.cos(pitch) * Math.sin(yaw),
    distance * Math.sin(pitch),
    distance * Math.cos(pitch) * Math.cos(yaw),
  ];
  const view = mat4.lookAt(eye, [0, 0, 0], [0, 1, 0]);
  return mat4.multiply(mat4.perspective(Math.PI / 4, width / height, 0.1, 50), view) as Float32Array;
}

const pointRadius = (width: number, count: number) => Math.max(2, (width / 78) * Math.min(1.4, Math.sqrt(400 / count)));
/** Spread of the cloud in world units. */
const SIZE = 0.78;

/**
 * WebGPU. On a software driver the picture is copied to a 2D canvas: some of those drivers cannot present (headless Chromium 147
 * with SwiftShader shows nothing, without an error), and since all memory is the CPU's a copy costs little. The same is done for
 * an adapter without a name: Firefox 153 gives no names, shows nothing with lavapipe, and trained no slower with copies.
 */
export class GpuRenderer implements Renderer {
  readonly kind = 'webgpu';
  problem: string | undefined;
  readonly #device: GPUDevice;
  readonly #present: GPUCanvasContext | undefined;
  readonly #copied: OffscreenCanvasRenderingContext2D | undefined;
  readonly #format: GPUTextureFormat;
  readonly #pipeline: GPURenderPipeline;
  readonly #uniforms: GPUBuffer;
  #owned: GPUBuffer[] = [];
  #group: GPUBindGroup | undefined;
  #scene: Scene | undefined;
  #targets: Targets | undefined;
  #copying = false;
  #gone = false;

  constructor(
    readonly session: GpuSession,
    readonly canvas: OffscreenCanvas,
  ) {
    const { device, info } = session;
    this.#device = device;
    if (info.software || !info.vendor) this.#copied = canvas.getContext('2d') ?? undefined;
    if (!this.#copied) this.#present = canvas.getContext('webgpu') as GPUCanvasContext;
    this.#format = this.#copied ? 'rgba8unorm' : (navigator as Navigator & { gpu: GPU }).gpu.getPreferredCanvasFormat();
    this.#present?.configure({ device, format: this.#format, alphaMode: 'opaque' });
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: 'cloud', code: shader });
    this.#pipeline = device.createRenderPipeline({
      label: 'cloud',
      layout: 'auto',
      vertex: { module, entryPoint: 'corner' },
      fragment: { module, entryPoint: 'disc', targets: [{ format: this.#format }] },
      primitive: { topology: 'triangle-strip' },
      depthStencil: { format: 'depth24plus', depthWriteEnabled: true, depthCompare: 'less' },
      multisample: { count: SAMPLES, alphaToCoverageEnabled: true },
    });
    this.#uniforms = device.createBuffer({
      label: 'cloud view',
      size: UNIFORM_BYTES,
      usage: bufferUsage.uniform | bufferUsage.copyDst,
    });
    this.#checked();
  }

  show(scene: Scene): void {
    for (const buffer of this.#owned) buffer.destroy();
    this.#owned = [];
    this.problem = undefined;
    this.#scene = scene;
    const { rows, cloud, symbols } = scene;
    const upload = (label: string, data: Float32Array | Uint32Array) => {
      const buffer = this.#device.createBuffer({
        label,
        size: Math.max(16, data.byteLength),
        usage: bufferUsage.storage | bufferUsage.copyDst,
      });
      this.#device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
      this.#owned.push(buffer);
      return { buffer };
    };
    const resources = [
      { buffer: this.#uniforms },
      scene.buffer ?? upload('activations', rows.data),
      upload('basis', cloud.basis),
      upload('symbols', symbols),
    ];
    this.#group = this.#device.createBindGroup({
      label: 'cloud',
      layout: this.#pipeline.getBindGroupLayout(0),
      entries: resources.map((resource, binding) => ({ binding, resource })),
    });
  }

  async draw(camera: Camera): Promise<void> {
    const { width, height } = camera;
    if (!this.#scene || !this.#group || width < 2 || height < 2 || this.#copying) return;
    this.#writeUniforms(this.#scene, camera);
    if (this.#present) resize(this.canvas, width, height);
    const targets = this.#sized(width, height);
    const encoder = this.#device.createCommandEncoder();
    this.#device.pushErrorScope('validation');
    const pass = encoder.beginRenderPass({
      colorAttachments: [
        {
          view: targets.colour.createView(),
          resolveTarget: (targets.resolved ?? this.#present!.getCurrentTexture()).createView(),
          clearValue: [...camera.background, 1],
          loadOp: 'clear',
          storeOp: 'discard',
        },
      ],
      depthStencilAttachment: {
        view: targets.depth.createView(),
        depthClearValue: 1,
        depthLoadOp: 'clear',
        depthStoreOp: 'discard',
      },
    });
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#group);
    pass.draw(4, this.#scene.rows.count);
    pass.end();
    if (targets.resolved && targets.staging)
      encoder.copyTextureToBuffer(
        { texture: targets.resolved },
        { buffer: targets.staging, bytesPerRow: targets.rowBytes },
        [width, height],
      );
    this.#device.queue.submit([encoder.finish()]);
    this.#checked();
    if (targets.staging) await this.#copy(targets, targets.staging);
    else await this.session.guard(this.#device.queue.onSubmittedWorkDone()).catch(() => {});
  }

  destroy(): void {
    this.#gone = true;
    for (const buffer of [...this.#owned, this.#uniforms]) buffer.destroy();
    this.#dropTargets();
    this.#group = undefined;
  }

  /** Closes the error scope: the device may belong to the run, which must not end because its picture was refused. */
  #checked(): void {
    this.#device.popErrorScope().then(
      (error) => {
        if (error) this.problem = oneLine(error);
      },
      () => {}, // device lost: the run handles it
    );
  }

  /** Copies the picture to the 2D canvas. */
  async #copy({ width, height, rowBytes }: Targets, staging: GPUBuffer): Promise<void> {
    this.#copying = true;
    try {
      await this.session.guard(staging.mapAsync(mapMode.read));
      const padded = new Uint8ClampedArray(staging.getMappedRange());
      const image = new ImageData(width, height);
      for (let y = 0; y < height; y++)
        image.data.set(padded.subarray(y * rowBytes, y * rowBytes + 4 * width), 4 * width * y);
      staging.unmap();
      if (this.#gone) return;
      resize(this.canvas, width, height);
      this.#copied?.putImageData(image, 0, 0);
    } catch (error) {
      if (!this.#gone && !(error instanceof DeviceLostError)) throw error;
    } finally {
      this.#copying = false;
    }
  }

  #dropTargets(): void {
    const { colour, depth, resolved, staging } = this.#targets ?? {};
    for (const part of [colour, depth, resolved, staging]) part?.destroy();
    this.#targets = undefined;
  }

  #writeUniforms({ cloud, rows, kinds }: Scene, camera: Camera): void {
    const { width, height } = camera;
    const words = new DataView(new ArrayBuffer(UNIFORM_BYTES));
    const floats = (at: number, values: ArrayLike<number>) => {
      for (let i = 0; i < values.length; i++) words.setFloat32(at + 4 * i, values[i], true);
    };
    floats(0, cameraMatrix(camera));
    floats(64, [...cloud.centre, cloud.spread > 0 ? SIZE / cloud.spread : 0]);
    floats(80, [width, height, pointRadius(Math.min(width, height), rows.count)]);
    words.setUint32(92, rows.units, true);
    words.setUint32(96, rows.start, true);
    words.setUint32(100, rows.stride, true);
    words.setInt32(104, camera.chosen, true);
    words.setInt32(108, camera.only, true);
    floats(112, [...camera.background, 1]);
    for (let a = 0; a < Math.min(64, kinds); a++) floats(128 + 16 * a, symbolRgb(a, kinds));
    this.#device.queue.writeBuffer(this.#uniforms, 0, words.buffer);
  }

  /** Multisampled targets of the canvas's size, and the texture from which the picture is copied. */
  #sized(width: number, height: number): Targets {
    if (this.#targets?.width === width && this.#targets.height === height) return this.#targets;
    this.#dropTargets();
    const device = this.#device;
    const size = [width, height];
    const make = (format: GPUTextureFormat) =>
      device.createTexture({ size, format, sampleCount: SAMPLES, usage: textureUsage.renderAttachment });
    const rowBytes = Math.ceil((4 * width) / 256) * 256;
    this.#targets = { width, height, rowBytes, colour: make(this.#format), depth: make('depth24plus') };
    if (this.#copied) {
      this.#targets.resolved = device.createTexture({
        size,
        format: this.#format,
        usage: textureUsage.renderAttachment | textureUsage.copySrc,
      });
      this.#targets.staging = device.createBuffer({
        size: rowBytes * height,
        usage: bufferUsage.mapRead | bufferUsage.copyDst,
      });
    }
    return this.#targets;
  }
}

interface Targets {
  width: number;
  height: number;
  rowBytes: number;
  colour: GPUTexture;
  depth: GPUTexture;
  resolved?: GPUTexture;
  staging?: GPUBuffer;
}

/** The same picture without a GPU: projected here, drawn from back to front. */
export class CanvasRenderer implements Renderer {
  readonly kind = '2d';
  readonly problem = undefined;
  #scene: { points: Float64Array; scene: Scene } | undefined;
  readonly #context: OffscreenCanvasRenderingContext2D;

  constructor(readonly canvas: OffscreenCanvas) {
    this.#context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
  }

  show(scene: Scene): void {
    this.#scene = { points: projected(scene), scene };
  }

  async draw(camera: Camera): Promise<void> {
    if (!this.#scene) return;
    const { points, scene } = this.#scene;
    const { width, height } = camera;
    resize(this.canvas, width, height);
    const m = cameraMatrix(camera);
    const radius = pointRadius(Math.min(width, height), scene.rows.count);
    const seen = Array.from({ length: scene.rows.count }, (_, b) => ({ b, ...onScreen(m, points, b) }));
    seen.sort((p, q) => q.w - p.w);
    const g = this.#context;
    g.fillStyle = `rgb(${camera.background.map((x) => Math.round(255 * x)).join(' ')})`;
    g.fillRect(0, 0, width, height);
    for (const { b, x, y, w } of seen) {
      const symbol = scene.symbols[b];
      const chosen = b === camera.chosen;
      g.globalAlpha = camera.only >= 0 && symbol !== camera.only && !chosen ? 0.15 : 1;
      g.beginPath();
      const size = radius * Math.min(2.2, Math.max(0.4, 3.6 / w)) * (chosen ? 1.5 : 1);
      g.arc(x * width, y * height, size, 0, 2 * Math.PI);
      g.fillStyle = symbolColour(symbol, scene.kinds);
      g.fill();
      g.strokeStyle = chosen ? (camera.background[1] > 0.5 ? '#000' : '#fff') : '#0009';
      g.lineWidth = chosen ? size * 0.7 : 1;
      g.stroke();
    }
    g.globalAlpha = 1;
  }

  destroy(): void {}
}

/** Position of point b of [count, 3] in the picture, from (0, 0) at the upper left to (1, 1), and its distance. */
export function onScreen(m: Float32Array, points: Float64Array, b: number): { x: number; y: number; w: number } {
  const [x, y, z] = points.subarray(3 * b, 3 * b + 3);
  const row = (i: number) => m[i] * x + m[4 + i] * y + m[8 + i] * z + m[12 + i];
  const w = row(3);
  return { x: (row(0) / w + 1) / 2, y: (1 - row(1) / w) / 2, w };
}

/** Setting a size clears a canvas, even if the size is the same. */
function resize(canvas: OffscreenCanvas, width: number, height: number): void {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/** Points [count, 3] in the coordinates that the shader computes. */
export function projected({ cloud, rows }: Scene): Float64Array {
  const points = new Float64Array(3 * rows.count);
  const scale = cloud.spread > 0 ? SIZE / cloud.spread : 0;
  for (let b = 0; b < rows.count; b++)
    for (let k = 0; k < 3; k++) {
      let sum = -cloud.centre[k];
      for (let u = 0; u < rows.units; u++)
        sum += rows.data[rows.start + b * rows.stride + u] * cloud.basis[k * rows.units + u];
      points[3 * b + k] = scale * sum;
    }
  return points;
}
