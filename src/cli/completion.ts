/**
 * Completion for shells, written from the tree of commands: the script itself contains what may follow a command line, so this program is
 * not started. (The one maintained package for it starts the program at every key, and comes without its licence's text.)
 */
import type { Command, Option } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** values: what an option takes in addition to its own choices, by its long name, such as the fields of --set. */
export function completionScript(
  shell: Shell,
  program: Command,
  values: Readonly<Record<string, readonly string[]>>,
): string {
  const nodes = nodesOf(program, '', values);
  const head = `# Completion of rhm for ${shell}, written by: rhm completion ${shell}\n`;
  return `${head}${{ bash, zsh, fish }[shell](nodes)}\n`;
}

/** A command and what may follow it. */
interface Node {
  name: string; // as it is typed after rhm; empty: rhm itself
  commands: { name: string; about: string }[];
  options: { flags: string[]; about: string; takes: 'nothing' | 'one' | 'more'; values: readonly string[] }[];
  values: readonly string[]; // of its arguments
}

function nodesOf(command: Command, name: string, values: Readonly<Record<string, readonly string[]>>): Node[] {
  const help = command.createHelp();
  const inner = help.visibleCommands(command).filter((one) => one.name() !== 'help');
  const takes = (option: Option) =>
    option.required || option.optional ? (option.variadic ? 'more' : 'one') : 'nothing';
  const own: Node = {
    name,
    commands: inner.map((one) => ({ name: one.name(), about: firstLine(one.description()) })),
    options: help.visibleOptions(command).map((option) => ({
      flags: [option.long, option.short].filter((flag) => flag !== undefined),
      about: firstLine(option.description),
      takes: takes(option),
      values: option.argChoices ?? values[option.long ?? ''] ?? [],
    })),
    values: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  };
  return [own, ...inner.flatMap((one) => nodesOf(one, name ? `${name} ${one.name()}` : one.name(), values))];
}

const MOST = 90; // characters of a description

function firstLine(text: string): string {
  const line = text.split(/[;\n]/)[0].trim();
  return line.length > MOST ? `${line.slice(0, MOST - 3)}...` : line;
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const words = (list: readonly string[]) => quote(list.join(' '));
/** Patterns of a `case` on the command and a flag. */
const places = (nodes: readonly Node[], wanted: (option: Node['options'][number]) => boolean) =>
  nodes.flatMap(({ name, options }) =>
    options.filter(wanted).flatMap((option) => option.flags.map((flag) => ({ place: `${name} ${flag}`, option }))),
  );

/** Shell code that sets `at` to the command and `flag` to the last option before the word. list: the words before it. */
const findPlace = (nodes: readonly Node[], list: string) => `  local at='' flag='' w
  for w in ${list}; do
    case "$at $w" in
      ${nodes
        .filter(({ name }) => name)
        .map(({ name }) => quote(name.includes(' ') ? name : ` ${name}`))
        .join('|')}) at="\${at:+$at }$w" ;;
    esac
    case "$w" in -*) flag="$w" ;; esac
  done`;

function bash(nodes: readonly Node[]): string {
  const valued = places(nodes, ({ takes }) => takes !== 'nothing');
  const values = valued.filter(({ option }) => option.values.length);
  const row = (place: string, list: readonly string[]) => `    ${quote(place)}) found=${words(list)} ;;`;
  return `_rhm() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" found=''
${findPlace(nodes, `"\${COMP_WORDS[@]:1:COMP_CWORD-1}"`)}
  COMPREPLY=()
  if [[ "$cur" == -* ]]; then
    case "$at" in
${nodes
  .map(
    ({ name, options }) =>
      `  ${row(
        name,
        options.flatMap(({ flags }) => flags.slice(0, 1)),
      )}`,
  )
  .join('\n')}
    esac
    COMPREPLY=($(compgen -W "$found" -- "$cur"))
    return
  fi
${dropFlag(valued)}
  if [[ -n "$flag" ]]; then
    case "$at $flag" in
${values.map(({ place, option }) => row(place, option.values)).join('\n')}
    esac
    [[ "$found" == *= || "$found" == *'= '* ]] && compopt -o nospace 2>/dev/null
  else
    case "$at" in
${nodes.map(({ name, commands, values }) => row(name, [...commands.map((c) => c.name), ...values])).join('\n')}
    esac
  fi
  # Where nothing is found, files are completed: complete -o default.
  [[ -n "$found" ]] && COMPREPLY=($(compgen -W "$found" -- "$cur"))
}
complete -o default -F _rhm rhm`;
}

/** After an option that takes one value only that value is completed; after one that takes several, all words up to the next option. */
function dropFlag(valued: readonly { place: string; option: Node['options'][number] }[]): string {
  const patterns = (takes: 'one' | 'more') =>
    valued
      .filter(({ option }) => option.takes === takes)
      .map(({ place }) => quote(place))
      .join('|') || "''";
  return `  case "$at $flag" in
    ${patterns('one')}) [[ "$prev" == "$flag" ]] || flag='' ;;
    ${patterns('more')}) ;;
    *) flag='' ;;
  esac`;
}

function zsh(nodes: readonly Node[]): string {
  const valued = places(nodes, ({ takes }) => takes !== 'nothing');
  const values = valued.filter(({ option }) => option.values.length);
  // In a list of _describe a colon ends the completed word.
  const entry = (name: string, about: string) => quote(`${name.replaceAll(':', '\\:')}:${about}`);
  const list = (entries: readonly string[]) => `found=(${entries.join(' ')})`;
  return `#compdef rhm
_rhm() {
  local cur="\${words[CURRENT]}" prev="\${words[CURRENT-1]}"
  local -a found
${findPlace(nodes, `"\${(@)words[2,CURRENT-1]}"`)}
  if [[ "$cur" == -* ]]; then
    case "$at" in
${nodes.map(({ name, options }) => `      ${quote(name)}) ${list(options.map(({ flags, about }) => entry(flags[0], about)))} ;;`).join('\n')}
    esac
    _describe -o option found
    return
  fi
${dropFlag(valued)}
  if [[ -n "$flag" ]]; then
    case "$at $flag" in
${values.map(({ place, option }) => `      ${quote(place)}) ${list(option.values.map(quote))} ;;`).join('\n')}
    esac
    (( $#found )) && compadd -S "\${\${(M)found[1]%=}:+}" -- $found || _files
    return
  fi
  case "$at" in
${nodes
  .map(
    ({ name, commands, values }) =>
      `    ${quote(name)}) ${list([...commands.map((c) => entry(c.name, c.about)), ...values.map(quote)])} ;;`,
  )
  .join('\n')}
  esac
  if (( $#found )); then _describe command found; else _files; fi
}
if [[ "$funcstack[1]" == _rhm ]]; then _rhm "$@"; else compdef _rhm rhm; fi`;
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ name, commands, options, values }) => {
    const here = `complete -c rhm -n ${quote(`test (__rhm_at) = ${quote(name)}`)}`;
    return [
      ...commands.map((one) => `${here} -f -a ${quote(one.name)} -d ${quote(one.about)}`),
      ...(values.length ? [`${here} -f -a ${words(values)}`] : []),
      ...options.map(({ flags, about, takes, values }) => {
        const names = flags
          .map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
          .join(' ');
        const value = takes === 'nothing' ? '' : values.length ? ` -x -a ${words(values)}` : ' -r';
        return `${here} ${names}${value} -d ${quote(about)}`;
      }),
      // Further values of an option that takes several.
      ...options
        .filter(({ takes, values }) => takes === 'more' && values.length)
        .map(
          ({ flags, values }) =>
            `complete -c rhm -n ${quote(`__rhm_behind ${quote(name)} ${flags[0]}`)} -f -a ${words(values)}`,
        ),
    ];
  });
  const known = nodes.filter(({ name }) => name).map(({ name }) => quote(name));
  return `function __rhm_at
  set -l at ''
  for w in (commandline -opc)[2..-1]
    set -l next (string trim -- "$at $w")
    contains -- "$next" ${known.join(' ')}; and set at "$next"
  end
  echo "$at"
end
function __rhm_behind
  test (__rhm_at) = $argv[1]; or return 1
  test (string match -- '-*' (commandline -opc))[-1] = $argv[2] 2>/dev/null
end
${lines.join('\n')}`;
}
