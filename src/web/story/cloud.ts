/** The points of one network's hidden layer on a canvas, slowly turning; they move from one P to the next. */
import { coordinate, REACH, type RecordedNetwork, type Recording } from '../../analysis/recording.js';
import { symbolRgb } from '../colours.js';
import { h } from '../dom.js';

const PASSING_MS = 350;
const TILT = 0.35;
const DOT = 2.6; // pixels

export class StoryCloud {
  readonly element = h('canvas', { role: 'img' });
  readonly #colours: string[];
  #from: Float32Array; // [N, 3]
  #to: Float32Array;
  #shown: Float32Array;
  #begun = -Infinity;
  #key = '';
  #classes: number[] = [];

  constructor(
    readonly recording: Recording,
    readonly network: RecordedNetwork,
  ) {
    const { v } = recording.grammar;
    this.#colours = Array.from({ length: v }, (_, a) => {
      const rgb = symbolRgb(a, v).map((x) => Math.round(255 * x));
      return `rgb(${rgb})`;
    });
    this.#from = this.#to = this.#shown = new Float32Array(3 * recording.count);
  }

  /** The points of run k. still: without animation. */
  show(k: number, cloud: number, now: number, still: boolean): void {
    const key = `${k},${cloud}`;
    if (key === this.#key) return;
    const { count, symbols } = this.recording;
    const { clouds, points } = this.network;
    const nodes = symbols.length / count;
    const sameSymbols = this.#key.endsWith(`,${cloud}`);
    this.#classes = Array.from({ length: count }, (_, b) => symbols[b * nodes + clouds[cloud].node]);
    const at = (k * clouds.length + cloud) * count * 3;
    this.#from = this.#shown.slice();
    this.#to = Float32Array.from(points.subarray(at, at + 3 * count), coordinate);
    this.#begun = still || !this.#key || !sameSymbols ? -Infinity : now;
    this.#key = key;
  }

  /** @returns whether points are still moving */
  draw(now: number, yaw: number, dots: 'light' | 'dark'): boolean {
    const { element } = this;
    const scale = Math.min(2, globalThis.devicePixelRatio || 1);
    const [width, height] = [element.clientWidth, element.clientHeight].map((x) => Math.round(x * scale));
    if (!width || !height) return false;
    if (element.width !== width || element.height !== height) Object.assign(element, { width, height });
    const context = element.getContext('2d')!;
    const part = Math.min(1, (now - this.#begun) / PASSING_MS);
    const eased = part * part * (3 - 2 * part);
    this.#shown = this.#to.map((x, i) => this.#from[i] + eased * (x - this.#from[i]));
    context.clearRect(0, 0, width, height);
    const unit = Math.min(width, height) / (2 * REACH) / 0.86;
    const [cos, sin, up, down] = [Math.cos(yaw), Math.sin(yaw), Math.cos(TILT), Math.sin(TILT)];
    const placed = Array.from({ length: this.recording.count }, (_, b) => {
      const [x, y, z] = this.#shown.subarray(3 * b, 3 * b + 3);
      const depth = z * cos - x * sin;
      return { b, x: x * cos + z * sin, y: y * up - depth * down, depth: depth * up + y * down };
    }).sort((p, q) => p.depth - q.depth);
    context.strokeStyle = dots === 'dark' ? '#0006' : '#0003';
    context.lineWidth = 0.6 * scale;
    for (const { b, x, y, depth } of placed) {
      context.fillStyle = this.#colours[this.#classes[b]];
      context.beginPath();
      context.arc(width / 2 + x * unit, height / 2 - y * unit, DOT * scale * (1 + 0.12 * depth), 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
    return part < 1;
  }
}
