import { type WindowCase, windowCount } from '../../src/kernels/shared/windows.js';
import type { Draw } from './harness.js';

/** Random replicas, sentence and window sizes; at least one window fits. */
export function randomWindows(draw: Draw): [replicas: number, shape: WindowCase] {
  for (;;) {
    const shape = {
      ...{ batch: draw(1, 3), tokens: draw(1, 12), channels: draw(1, 6) },
      ...{ filter: draw(1, 5), stride: draw(1, 4), padding: draw(0, 2) },
    };
    if (windowCount(shape.tokens, shape) >= 1) return [draw(1, 3), shape];
  }
}
