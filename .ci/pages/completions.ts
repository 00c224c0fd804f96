/**
 * Completions for shells, from the table of options.
 *
 * @module
 */

import { type Completion, type Option, OPTIONS } from "../../src/options.ts";

/** Where pid files of the caller are, as words of a shell. */
const PID_FILES = "/run/microcontainer/*.pid " +
  '/run/microcontainer/user/"$(id -u)"/*.pid ' +
  '"${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"/microcontainer/*.pid';

const BASH: Readonly<Record<Completion, string>> = {
  directory: 'COMPREPLY=($(compgen -d -- "$current"))',
  file: 'COMPREPLY=($(compgen -f -- "$current"))',
  group: 'COMPREPLY=($(compgen -g -- "$current"))',
  instance: 'COMPREPLY=($(compgen -W "$(_cage_instances)" -- "$current"))',
  user: 'COMPREPLY=($(compgen -u -- "$current"))',
};

/**
 * Writes the completion of bash.
 *
 * @returns The script.
 */
export function bashCompletion(): string {
  const valued = OPTIONS.filter(({ value }) => value !== undefined);
  const cases = valued.map((option) =>
    `    ${namesOf(option).join(" | ")}) ${
      option.completion === undefined ? ":" : BASH[option.completion]
    }; return ;;`
  );
  return [
    "# bash completion of cage",
    "_cage_instances() {",
    "  local file",
    `  for file in ${PID_FILES}; do`,
    '    [ -f "$file" ] && file=${file##*/} && echo "${file%.pid}"',
    "  done",
    "}",
    "_cage() {",
    "  local IFS=$'\\n' current=${COMP_WORDS[COMP_CWORD]} word at",
    "  COMPREPLY=()",
    "  # After the options come a command and its own words.",
    "  for ((at = 1; at < COMP_CWORD; at++)); do",
    "    word=${COMP_WORDS[at]}",
    "    case $word in",
    `    ${valued.flatMap(namesOf).join(" | ")}) ((at++)) ;;`,
    '    --) COMPREPLY=($(compgen -c -- "$current")); return ;;',
    "    -*) ;;",
    '    *) COMPREPLY=($(compgen -f -- "$current")); return ;;',
    "    esac",
    "  done",
    "  case ${COMP_WORDS[COMP_CWORD - 1]} in",
    ...cases,
    "  esac",
    "  case $current in",
    `  -*) COMPREPLY=($(compgen -W '${
      OPTIONS.flatMap(namesOf).join("\n")
    }' -- "$current")) ;;`,
    '  *) COMPREPLY=($(compgen -c -- "$current")) ;;',
    "  esac",
    "}",
    "complete -o filenames -F _cage cage",
    "",
  ].join("\n");
}

const ZSH: Readonly<Record<Completion, string>> = {
  directory: "_files -/",
  file: "_files",
  group: "_groups",
  instance: "_cage_instances",
  user: "_users",
};

/**
 * Writes the completion of zsh.
 *
 * @returns The script.
 */
export function zshCompletion(): string {
  return [
    "#compdef cage",
    "_cage_instances() {",
    "  local -a names",
    `  names=(${PID_FILES.replaceAll("*.pid", "*.pid(N:t:r)")})`,
    "  compadd -a names",
    "}",
    "_arguments -s -S \\",
    ...OPTIONS.map((option) => `  ${zshOption(option)} \\`),
    "  '(-)1:command: _command_names -e' \\",
    "  '*::arguments: _normal'",
    "",
  ].join("\n");
}

function zshOption({ brief, completion, repeat, value, ...names }: Option) {
  const all = namesOf(names);
  const text = brief.replace(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''");
  const argument = value === undefined
    ? ""
    : `:${value}:${completion === undefined ? "" : ZSH[completion]}`;
  // Each spelling keeps the others away, unless it may be given again.
  const others = repeat ? "'*'" : `'(${all.join(" ")})'`;
  const spelled = all.map((name) =>
    value === undefined ? name : name.startsWith("--") ? `${name}=` : `${name}+`
  );
  return all.length === 1
    ? `${others}'${spelled[0]}[${text}]${argument}'`
    : `${others}{${spelled.join(",")}}'[${text}]${argument}'`;
}

const FISH: Readonly<Record<Completion, string>> = {
  directory: "(__fish_complete_directories)",
  file: "",
  group: "(__fish_complete_groups)",
  instance: "(__cage_instances)",
  user: "(__fish_complete_users)",
};

/**
 * Writes the completion of fish.
 *
 * @returns The script.
 */
export function fishCompletion(): string {
  return [
    "# fish completion of cage",
    "function __cage_instances",
    "  set -l runtime $XDG_RUNTIME_DIR /run/user/(id -u)",
    "  set -l files /run/microcontainer/*.pid " +
    "/run/microcontainer/user/(id -u)/*.pid $runtime[1]/microcontainer/*.pid",
    "  string replace -r '.*/(.*)\\.pid$' '$1' -- $files",
    "end",
    "complete -c cage -f",
    ...OPTIONS.map(fishOption),
    "complete -c cage -n 'not __fish_seen_subcommand_from --' " +
    "-a '(__fish_complete_command)'",
    "complete -c cage -n '__fish_seen_subcommand_from --' " +
    "-a '(__fish_complete_subcommand --fcs-skip=2)'",
    "",
  ].join("\n");
}

function fishOption({ brief, completion, long, short, value }: Option) {
  const letter = short === undefined ? "" : ` -s ${short}`;
  const offered = completion === undefined ? "" : FISH[completion];
  const argument = value === undefined
    ? ""
    : completion === "file"
    ? " -r -F"
    : ` -x${offered === "" ? "" : ` -a '${offered}'`}`;
  const text = brief.replace(/['\\]/g, "\\$&");
  return `complete -c cage${letter} -l ${long}${argument} -d '${text}'`;
}

function namesOf({ long, short }: Pick<Option, "long" | "short">): string[] {
  return short === undefined ? [`--${long}`] : [`-${short}`, `--${long}`];
}
