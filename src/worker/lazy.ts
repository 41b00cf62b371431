/** The laboratory whose larger parts are loaded when first needed. A worker needs them at once and has them from the start. */
import type { Platform } from '../platform/platform.js';
import { type Lab, labOf } from './lab.js';

/** @returns the functions, and `close`, which releases their resources: training stops, GPU calls fail with DeviceLostError. */
export const createLab = (platform: Platform): { lab: Lab; close: () => Promise<void> } =>
  labOf(platform, () => import('./parts.js'));
