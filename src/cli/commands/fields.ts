/** `rhm fields`: the fields of an experiment, for people; `rhm schema` prints them for editors. */
import type { Command } from 'commander';
import { InputError } from '../../core/errors.js';
import { defaultText, experimentYaml, type FieldInfo, fieldList } from '../../core/fieldList.js';
import { DEFAULT_MODEL, modelKinds } from '../../core/modelFacts.js';
import { nearest, nearestField } from '../../core/nearest.js';
import type { CommandContext } from '../context.js';
import { terminalWidth } from '../terminalPlot.js';

export function addFields(program: Command, io: CommandContext): void {
  program
    .command('fields')
    .description('list the fields of an experiment: meaning, values and default; or print a file with all of them')
    .argument(
      '[word...]',
      'only fields with one of these words in their names or, if no name has it, in their meanings',
    )
    .option('--yaml', 'print an experiment file with every field and its default, which rhm train takes')
    .option('--model <kind>', 'with --yaml: the model of the file', DEFAULT_MODEL)
    .action(async (words: string[], options: { yaml?: boolean; model: string }, command: Command) => {
      if (options.yaml) {
        if (words.length) throw new InputError(`${words[0]}: got with --yaml, which prints a whole file; leave it out`);
        await io.write(experimentYaml(knownModel(options.model)));
        return;
      }
      const found = matching(fieldList(), words);
      await io.result(command, found, () => textOf(found, terminalWidth()));
    });
}

/** Checked here, not while options are parsed, because --models must be loaded first. @throws InputError */
function knownModel(kind: string): string {
  if (modelKinds().includes(kind)) return kind;
  const guess = nearest(kind, modelKinds());
  throw new InputError(
    `--model: got ${kind}; ${guess ? `did you mean ${guess}?` : `pass one of ${modelKinds().join(', ')}`}`,
  );
}

/** @throws InputError for a word that no field has */
function matching(all: readonly FieldInfo[], words: readonly string[]): FieldInfo[] {
  const chosen = new Set<FieldInfo>();
  for (const word of words) {
    const has = (text: string) => text.toLowerCase().includes(word.toLowerCase());
    const named = all.filter(({ field }) => has(field));
    const found = named.length ? named : all.filter(({ meaning, kinds }) => has(meaning) || kinds?.includes(word));
    if (!found.length) {
      const sections = all.map(({ field }) => field.split('.')[0]);
      const guess =
        nearest(word, sections) ??
        nearestField(
          word,
          all.map(({ field }) => field),
        );
      throw new InputError(
        `${word}: no field has this word; ${guess ? `did you mean ${guess}?` : `sections are ${[...new Set(sections)].join(', ')}`}`,
      );
    }
    for (const one of found) chosen.add(one);
  }
  return words.length ? all.filter((one) => chosen.has(one)) : [...all];
}

function textOf(fields: readonly FieldInfo[], width: number): string {
  const column = Math.max(...fields.map(({ field }) => field.length)) + 2;
  return fields
    .flatMap((info) => {
      const { field, kinds, meaning, values } = info;
      const takes = [values, defaultText(info)].filter(Boolean).join('; ');
      const lines = [meaning, takes, ...(kinds ? [`for ${kinds.join(', ')}`] : [])].filter(Boolean);
      return lines
        .flatMap((line) => wrapped(line, Math.max(40, width - column)))
        .map((line, i) => `${(i ? '' : field).padEnd(column)}${line}`);
    })
    .join('\n');
}

/** Breaks a text into lines of at most `width` characters, except for longer words. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
