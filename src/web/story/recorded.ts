/** The recording written by `rhm recording`, in a separate chunk. */
import { decodeRecording } from '../../analysis/recording.js';
import bytes from './recording.safetensors';

export const recorded = decodeRecording(bytes, 'recording.safetensors');
