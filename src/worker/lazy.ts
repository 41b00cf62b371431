/** The laboratory whose larger parts are loaded when they are first needed. A worker, which needs them at once, has them from the start. */
import type { Platform } from '../platform/platform.js';
import { type Lab, labOf } from './lab.js';

/** @returns the functions, and `close`, which ends what they hold: training stops, GPU calls fail with DeviceLostError. */
export const createLab = (platform: Platform): { lab: Lab; close: () => Promise<void> } =>
  labOf(platform, () => import('./parts.js'));
