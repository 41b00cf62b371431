/** The recording that `rhm recording` has written, in a chunk of its own. */
import { decodeRecording } from '../../analysis/recording.js';
import bytes from './recording.safetensors';

export const recorded = decodeRecording(bytes, 'recording.safetensors');
