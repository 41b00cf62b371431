/** The table of commands, in the order of `rhm --help`. */
import type { AddCommand } from '../context.js';
import { addDoctor } from './doctor.js';

export const commands: readonly AddCommand[] = [addDoctor];
