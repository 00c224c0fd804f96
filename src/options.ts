/**
 * The table of options: parsing, help, man page and completions come from it.
 *
 * @module
 */

/**
 * What an option is about. Those of "inside" say how a command runs, so they
 * have no meaning where no command does.
 */
export type OptionGroup = "instance" | "storage" | "inside" | "about";

/** One option of the command line. */
export interface Option {
  /** The letter after one hyphen. */
  readonly short?: string;
  /** The name after two hyphens. */
  readonly long: string;
  /** Name of the value in help; an option without one is a flag. */
  readonly value?: string;
  /** Whether each use adds a value. */
  readonly repeat?: boolean;
  /** Why a second, different value is refused, for options not repeated. */
  readonly once?: string;
  /** What the option is about. */
  readonly group: OptionGroup;
  /** What it does, one paragraph without line breaks. */
  readonly help: string;
}

/**
 * Every option, in the order of help.
 *
 * @example All letters
 * ```ts
 * import { OPTIONS } from "cage/src/options.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const letters = OPTIONS.map((option) => option.short ?? "").join("");
 * assertEquals(letters, "aceghiklnpUuVvw");
 * ```
 */
export const OPTIONS: readonly Option[] = [
  {
    short: "a",
    long: "app-dir",
    value: "appdir",
    once: "an instance has one application directory",
    group: "storage",
    help: 'application base dir default to "/var/lib/microcontainer/default" ' +
      'if application name is empty or "/var/lib/microcontainer/app-${name}" ' +
      "if application name is given, used only to compute upperdir and workdir",
  },
  {
    short: "c",
    long: "directory",
    value: "currentdir",
    once: "a command starts in one directory",
    group: "inside",
    help: 'directory command will run inside the container, default to "/"',
  },
  {
    short: "e",
    long: "env",
    value: "env",
    repeat: true,
    group: "inside",
    help: "add environment variable in the format key=value, can be given " +
      "more than once, the last value of a key wins",
  },
  {
    short: "g",
    long: "group",
    value: "group",
    once: "multiple groups are separated by colon",
    group: "inside",
    help: "group name or gid to run command, default to the groups of the " +
      "user, can contain multiple values separated by colon",
  },
  { short: "h", long: "help", group: "about", help: "print help" },
  {
    short: "i",
    long: "init-script",
    value: "initscript",
    once: "an instance has one init script",
    group: "inside",
    help: "script to be run inside the container as root before command",
  },
  {
    short: "k",
    long: "kill",
    group: "instance",
    help: "stop/kill current instance",
  },
  {
    short: "l",
    long: "lower",
    value: "lowerdir",
    repeat: true,
    group: "storage",
    help: 'lower directory default to "/", can be given more than once or ' +
      "contain multiple values separated by colon, the first on top; a colon " +
      'in a path is written "\\:"',
  },
  {
    short: "n",
    long: "name",
    value: "name",
    once: "an instance has one name",
    group: "instance",
    help: "application name used only to compute appdir and pidfile",
  },
  {
    short: "p",
    long: "pid-file",
    value: "pidfile",
    once: "an instance has one pid file",
    group: "instance",
    help: 'pid file default to "/run/microcontainer/pid" if application name ' +
      'is empty or "/run/microcontainer/${name}.pid" if application name is ' +
      "given",
  },
  {
    short: "U",
    long: "upper",
    value: "upperdir",
    once: "an instance has one upper directory",
    group: "storage",
    help: 'upper directory default to "${appdir}/upper", where the ' +
      'filesystem cannot hold one a loop in "${upperdir}/../.." will be ' +
      "created if possible",
  },
  {
    short: "u",
    long: "user",
    value: "user",
    once: "a command runs as one user",
    group: "inside",
    help: "user name or uid to run command, default to 0, can follow groups " +
      "separated by colon",
  },
  { short: "V", long: "version", group: "about", help: "print version" },
  {
    short: "v",
    long: "volume",
    value: "volume",
    repeat: true,
    group: "inside",
    help: "map a volume from the host to the instance, if contains a colon " +
      "the value before is considered in the host and after in the instance, " +
      'read-only if ":ro" follows; can be given more than once; a colon in a ' +
      'path is written "\\:"',
  },
  {
    short: "w",
    long: "work-dir",
    value: "workdir",
    once: "an instance has one work directory",
    group: "storage",
    help: 'overlay work directory default to "${appdir}/work", must be in ' +
      "the same filesystem as upperdir",
  },
  {
    long: "check",
    group: "about",
    help: "tell what the caller may do and why, and what the kernel offers",
  },
  {
    long: "ephemeral",
    group: "storage",
    help: "keep the upper directory in memory, nothing stays when the " +
      "instance ends",
  },
  {
    long: "no-init",
    group: "inside",
    help: "run the command as pid 1, without the process that collects " +
      "orphans",
  },
  {
    long: "no-new-privs",
    group: "inside",
    help: "nothing inside gets privileges by executing a program: sudo and " +
      "su do not work",
  },
  {
    long: "privileged",
    group: "inside",
    help: "take nothing from root inside: no capability, system call or path " +
      "of /proc and /sys; not for users of the setuid program",
  },
  {
    long: "reset",
    group: "instance",
    help: "throw away what was changed inside: the upper and the work " +
      "directory, and an image that took their place",
  },
];

/**
 * Spells an option for a sentence: with its letter if it has one.
 *
 * @param option A row of the table.
 * @returns The option as a user writes it.
 *
 * @example With and without a letter
 * ```ts
 * import { OPTIONS, optionName } from "cage/src/options.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(optionName(OPTIONS[0]), "-a");
 * assertEquals(optionName({ long: "ephemeral" }), "--ephemeral");
 * ```
 */
export function optionName(option: Pick<Option, "short" | "long">): string {
  return option.short === undefined ? `--${option.long}` : `-${option.short}`;
}
