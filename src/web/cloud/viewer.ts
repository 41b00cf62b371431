/** The view of a run's hidden layers that its worker draws: what is shown, when it is read again, and the turning camera. */

import { FollowingPca, varianceWithin } from '../../analysis/pca.js';
import type { GpuSession } from '../../gpu/device.js';
import { GpuProgram } from '../../gpu/executor.js';
import type { LoadedProgram } from '../../plan/executor.js';
import type { Tensor } from '../../plan/types.js';
import { openBrowserGpu } from '../../platform/browser.js';
import type { Look, LookInfo, Pick, PointInfo, Shape } from './look.js';
import { attentionMap, nodeOver, ofReplica, type Probe, type Span } from './probe.js';
import {
  type Camera,
  CanvasRenderer,
  cameraMatrix,
  GpuRenderer,
  onScreen,
  projected,
  type Renderer,
  type Scene,
} from './renderer.js';

const READS_MS = 350; // minimum between two readings while training; also at least LEISURE times the duration of one
const LEISURE = 4; // ratio of the time for training to that for drawing
const TURN = 0.22; // radians per second
const FRAME_MS = 33;
const INSIDE = 1.25; // points up to this far from the centre are in the picture from every side

interface Rows {
  data: Float32Array[]; // data of each layer; empty if it was not read
  symbols: Uint32Array; // [B, nodes]
  tokens: Uint32Array; // [B, d]
  attention: Float32Array[];
  first?: Float32Array;
}

export class Viewer {
  look: Look = {
    replica: 0,
    layer: 0,
    position: -2,
    level: 1,
    visible: false,
    turning: true,
    yaw: 0.6,
    pitch: 0.35,
    zoom: 1,
    width: 300,
    height: 300,
    background: [1, 1, 1],
    only: -1,
    head: -1,
    sentence: -1,
  };
  #renderer: Renderer | undefined;
  #own: GpuSession | undefined; // device of the viewer, used if the run has none
  #runs: GpuSession | undefined; // device of the run
  #program: LoadedProgram | undefined;
  #rows: (Rows | undefined)[] = []; // rows of each replica
  readonly #pca = new FollowingPca();
  #readAt = -Infinity;
  #readStep = -1;
  #readsMs = READS_MS;
  #wanted = false;
  #scene: Scene | undefined;
  #points: Float64Array = new Float64Array(); // [count, 3], points of the scene
  #reach = 0; // radius of the cloud
  #chosen = -1; // sentence marked with a ring
  #turned = 0;
  #drawnAt = 0;
  #drawing = false;
  #asked = false; // a frame was requested while another was being drawn
  #closed = false;
  #shown = '';

  constructor(
    readonly canvas: OffscreenCanvas,
    readonly shape: Shape,
    readonly tell: (info: LookInfo) => void,
    readonly wake: () => void,
  ) {}

  change(part: Partial<Look>): void {
    const { replica, layer, position, level, visible, head, sentence } = this.look;
    this.look = { ...this.look, ...part };
    if (
      replica !== this.look.replica ||
      layer !== this.look.layer ||
      position !== this.look.position ||
      level !== this.look.level ||
      head !== this.look.head ||
      sentence !== this.look.sentence ||
      visible !== this.look.visible
    ) {
      this.#wanted = true;
      this.wake();
      if (this.probe && this.#rows.length && !this.#program) void this.#show(this.probe, this.#readStep);
    }
    this.#animate();
  }

  probe: Probe | undefined;

  /** A run begins on a device (absent: it computes in WebAssembly). */
  async attach(session: GpuSession | undefined): Promise<void> {
    this.#runs = session;
    this.#readStep = -1;
    this.#readAt = -Infinity;
    this.#setRenderer(await this.#makeRenderer());
  }

  /** Reads the layers if it is time to. To be called only between slices of steps, when nothing else is queued. */
  async visit(program: LoadedProgram, step: number): Promise<void> {
    const due = this.#wanted || (step !== this.#readStep && performance.now() - this.#readAt >= this.#readsMs);
    if (!this.look.visible || !due) return;
    await this.#read(program, step, false);
  }

  /** The last reading before the run releases its buffers: all layers, so that they can still be chosen. */
  async keep(program: LoadedProgram, step: number): Promise<void> {
    await this.#read(program, step, true);
  }

  /**
   * Marks a point and describes it: the frontmost one near a place in the picture (both coordinates from 0 to 1), or the one this
   * many after the marked point; undefined: no point is marked.
   */
  pick(where: Pick | undefined): PointInfo | undefined {
    const { probe } = this;
    const rows = probe && this.#rows[fit(this.look, probe, this.shape).replica];
    if (!probe || !rows || !this.#scene || !where) this.#chosen = -1;
    else if ('by' in where) {
      const from = this.#chosen < 0 && where.by < 0 ? 0 : this.#chosen;
      this.#chosen = (from + where.by + probe.batch) % probe.batch;
    } else this.#chosen = this.#nearest(where);
    this.#animate();
    return this.#chosen < 0 ? undefined : this.#describe(probe!, rows!);
  }

  #nearest({ x, y }: { x: number; y: number }): number {
    const { width, height, only } = this.look;
    const m = cameraMatrix(this.#camera());
    const reach = 0.035 * Math.min(width, height);
    let best = { b: -1, score: Infinity };
    for (let b = 0; b < this.#points.length / 3; b++) {
      if (only >= 0 && this.#scene!.symbols[b] !== only) continue;
      const at = onScreen(m, this.#points, b);
      const distance = Math.hypot((at.x - x) * width, (at.y - y) * height);
      const score = distance + 0.5 * reach * at.w;
      if (distance <= reach && score < best.score) best = { b, score };
    }
    return best.b;
  }

  #describe(probe: Probe, { tokens }: Rows): PointInfo {
    const { layer, position, level } = fit(this.look, probe, this.shape);
    const { s, L } = this.shape;
    const d = s ** L;
    const sentence = this.#chosen;
    const span = probe.layers[layer].spans[position];
    return {
      sentence,
      tokens: [...tokens.subarray(sentence * d, (sentence + 1) * d)],
      ...span,
      level,
      symbol: this.#scene!.symbols[sentence],
      node: nodeOver(s, level, span),
      point: [...this.#points.subarray(3 * sentence, 3 * sentence + 3)],
    };
  }

  /** The run's device is released: data already read remains visible, on a device of the viewer. */
  async detach(): Promise<void> {
    this.#program = undefined;
    if (!this.#runs) return;
    this.#runs = undefined;
    this.#setRenderer(await this.#makeRenderer());
    if (this.probe && this.#rows.length) await this.#show(this.probe, this.#readStep);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#setRenderer(undefined);
    await this.#own?.release();
  }

  async #read(program: LoadedProgram, step: number, all: boolean): Promise<void> {
    const { probe } = this;
    if (!probe || this.#closed) return;
    const began = performance.now();
    this.#wanted = false;
    this.#program = program;
    await program.run(probe.plan);
    const { replica, layer } = fit(this.look, probe, this.shape);
    const rows: Rows[] = [];
    for (let r = 0; r < probe.replicas; r++) {
      if (!all && r !== replica) continue;
      const read = (tensor: Tensor) => program.read(ofReplica(tensor, r));
      const data: Float32Array[] = [];
      for (const [k, { tensor }] of probe.layers.entries())
        data.push(all || k === layer ? ((await read(tensor)) as Float32Array) : new Float32Array());
      const attention: Float32Array[] = [];
      for (const { qkv } of probe.attention) attention.push((await read(qkv)) as Float32Array);
      rows[r] = {
        data,
        attention,
        symbols: (await read(probe.symbols)) as Uint32Array,
        tokens: (await read(probe.tokens)) as Uint32Array,
        first: probe.first && ((await read(probe.first)) as Float32Array),
      };
    }
    this.#rows = rows;
    this.#readStep = step;
    if (all) this.#program = undefined;
    await this.#show(probe, step);
    this.#readAt = performance.now();
    this.#readsMs = Math.max(READS_MS, LEISURE * (this.#readAt - began));
  }

  async #show(probe: Probe, step: number): Promise<void> {
    const shown = fit(this.look, probe, this.shape);
    const rows = this.#rows[shown.replica];
    const layer = probe.layers[shown.layer];
    if (!rows || !layer || !rows.data[shown.layer].length) return;
    const name = `${shown.replica},${shown.layer},${shown.position}`;
    if (name !== this.#shown) {
      this.#pca.forget();
      this.#reach = 0;
      this.#chosen = -1;
    }
    this.#shown = name;
    const { units, positions } = layer;
    const part = {
      data: rows.data[shown.layer],
      count: probe.batch,
      units,
      start: shown.position * units,
      stride: positions * units,
    };
    const cloud = this.#pca.fit(part);
    const { symbols, kinds } = coloursAt(rows, probe, this.shape, shown.level, layer.spans[shown.position]);
    this.#renderer ??= await this.#makeRenderer();
    const direct = this.#program instanceof GpuProgram && this.#runs !== undefined;
    const scene: Scene = { cloud, rows: part, symbols, kinds };
    if (direct) scene.buffer = (this.#program as GpuProgram).binding(ofReplica(layer.tensor, shown.replica));
    this.#scene = scene;
    this.#points = projected(scene);
    const reach = reachOf(this.#points);
    // Slowly, so that the picture does not pulsate while the cloud grows.
    this.#reach = this.#reach ? this.#reach + 0.2 * (reach - this.#reach) : reach;
    this.#renderer?.show(scene);
    this.tell({
      layers: probe.layers.map(({ name, positions, units }) => ({ name, positions, units })),
      step,
      replicas: probe.replicas,
      shown,
      variance: cloud.variance,
      within: varianceWithin(part, symbols, kinds),
      kinds,
      problem: this.#renderer?.problem,
      drawn: this.#renderer?.kind === '2d' ? '2d' : direct ? 'buffer' : 'upload',
      map: mapOf(rows, probe, shown.layer, this.look),
    });
    this.#animate();
  }

  async #makeRenderer(): Promise<Renderer | undefined> {
    if (this.#closed) return undefined;
    if (this.#runs) return new GpuRenderer(this.#runs, this.canvas);
    try {
      this.#own ??= await openBrowserGpu();
      return new GpuRenderer(this.#own, this.canvas);
    } catch {
      // No WebGPU here: draw on the CPU. A canvas on which WebGPU has drawn cannot change its context.
      try {
        return new CanvasRenderer(this.canvas);
      } catch {
        return undefined;
      }
    }
  }

  #setRenderer(renderer: Renderer | undefined): void {
    this.#renderer?.destroy();
    this.#renderer = renderer;
  }

  /** Draws frames while anything moves, for at most a fifth of the time. */
  #animate(): void {
    this.#asked = true;
    if (this.#drawing || this.#closed || !this.look.visible) return;
    this.#drawing = true;
    // Not requestAnimationFrame: at its first call Chromium gives the worker's thread display priority (nice -8 on Linux if
    // permitted), and this thread also trains: it took six of seven time slices on a core from the page's own thread.
    setTimeout(async () => {
      const now = performance.now();
      this.#asked = false;
      if (this.look.turning) this.#turned += (TURN * Math.min(now - this.#drawnAt, 250)) / 1000;
      this.#drawnAt = now;
      const began = performance.now();
      await this.#draw();
      const took = performance.now() - began;
      setTimeout(
        () => {
          this.#drawing = false;
          if (this.#asked || this.look.turning) this.#animate();
        },
        Math.max(FRAME_MS - took, LEISURE * took - FRAME_MS, 0),
      );
    }, 0);
  }

  #camera(): Camera {
    const { yaw, pitch, zoom, background, width, height, only } = this.look;
    // The cloud fills the picture. A single distant point must not reduce all others to a dot, nor a few points fill the picture.
    const distance = (3.6 * Math.min(1.5, Math.max(0.65, this.#reach / INSIDE))) / zoom;
    return { yaw: yaw + this.#turned, pitch, distance, background, width, height, only, chosen: this.#chosen };
  }

  async #draw(): Promise<void> {
    try {
      await this.#renderer?.draw(this.#camera());
    } catch {
      this.#setRenderer(undefined); // its device is gone; the next reading makes another
    }
  }
}

/** The distance of the points from the centre, ignoring the farthest 1 in 100. */
function reachOf(points: Float64Array): number {
  const far = Array.from({ length: points.length / 3 }, (_, b) => Math.hypot(...points.subarray(3 * b, 3 * b + 3)));
  return far.sort((p, q) => p - q)[Math.floor(0.99 * (far.length - 1))] ?? 0;
}

/** The chosen view, moved to what the network has. */
function fit({ replica, layer, position, level }: Look, { layers, replicas }: Probe, { L }: Shape): LookInfo['shown'] {
  const k = Math.min(Math.max(0, layer), layers.length - 1);
  const { positions } = layers[k];
  const p = position < 0 ? Math.max(0, positions + position) : Math.min(position, positions - 1);
  return {
    replica: Math.min(Math.max(0, replica), replicas - 1),
    layer: k,
    position: p,
    level: Math.min(Math.max(0, level), L),
  };
}

/** For each sentence, the grammar's symbol above the tokens seen by a position of a layer. */
function coloursAt(
  { symbols, tokens }: Rows,
  { batch }: Probe,
  { v, n, s, L }: Shape,
  level: number,
  span: Span,
): { symbols: Uint32Array; kinds: number } {
  const d = s ** L;
  const nodes = (d - 1) / (s - 1);
  const place = nodeOver(s, level, span);
  const depth = L - level;
  const at = (s ** depth - 1) / (s - 1) + place;
  const found = Uint32Array.from({ length: batch }, (_, b) =>
    level === 0 ? tokens[b * d + place] : symbols[b * nodes + at],
  );
  return { symbols: found, kinds: depth === 0 ? Math.max(n, v) : v };
}

function mapOf(rows: Rows, probe: Probe, layer: number, look: Look): LookInfo['map'] {
  const attention = probe.attention[layer];
  if (attention) {
    const T = attention.qkv.shape[2];
    const { heads, queries, qkv } = attention;
    const [head, sentence] = [look.head < heads ? look.head : -1, look.sentence < qkv.shape[1] ? look.sentence : -1];
    const values = attentionMap(attention, rows.attention[layer], { head, sentence });
    const d = rows.tokens.length / probe.batch;
    const tokens = sentence < 0 ? undefined : [...rows.tokens.subarray((sentence + 1) * d - T, (sentence + 1) * d)];
    const shown = { heads, sentences: qkv.shape[1], head, sentence, tokens };
    return { kind: 'attention', layer, rows: queries, columns: T, values, attention: shown };
  }
  if (!probe.first || !rows.first) return undefined;
  const width = probe.first.shape[probe.first.shape.length - 1];
  const all = rows.first.length / width;
  const columns = Math.min(48, width);
  const values = Float32Array.from(
    { length: all * columns },
    (_, i) => rows.first![Math.floor(i / columns) * width + (i % columns)],
  );
  return { kind: 'filters', layer: 0, rows: all, columns, values };
}
