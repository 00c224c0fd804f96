/**
 * The table of options: parsing, help, man page and completions come from it.
 *
 * @module
 */

/**
 * What an option is about. Those of "inside" say how a command runs, so they
 * have no meaning where no command does.
 */
export type OptionGroup =
  | "instance"
  | "storage"
  | "inside"
  | "changes"
  | "about";

/**
 * The groups of options, in the order of help.
 *
 * @example The first
 * ```ts
 * import { GROUPS } from "cage/src/options.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(GROUPS[0].group, "instance");
 * ```
 */
export const GROUPS: readonly {
  /** Which options. */
  readonly group: OptionGroup;
  /** What they are about, for a heading. */
  readonly title: string;
}[] = [
  { group: "instance", title: "Which instance" },
  { group: "storage", title: "Where files come from and changes are kept" },
  { group: "inside", title: "How the command runs" },
  { group: "changes", title: "What was changed inside" },
  { group: "about", title: "About cage" },
];

/** What the value of an option is the name of. */
export type Completion = "directory" | "file" | "group" | "instance" | "user";

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
  /** The options of which one must be given with it. */
  readonly of?: readonly string[];
  /** What the option is about. */
  readonly group: OptionGroup;
  /** What it does in a few words, for a screen of all. */
  readonly brief: string;
  /** What it does, one paragraph without line breaks. */
  readonly help: string;
  /** What a shell offers for the value. */
  readonly completion?: Completion;
  /** Flags that can be written after it with `=`, as `--explain=json`. */
  readonly with?: readonly string[];
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
 * assertEquals(letters, "acdeGghiklnpUuVvw");
 * ```
 */
export const OPTIONS: readonly Option[] = [
  {
    short: "a",
    long: "app-dir",
    brief: "application base dir",
    completion: "directory",
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
    brief: "directory command will run inside the container",
    value: "currentdir",
    once: "a command starts in one directory",
    group: "inside",
    help: 'directory command will run inside the container, default to "/"',
  },
  {
    short: "d",
    long: "detach",
    group: "inside",
    help: "run the command in the background, print the name of the instance " +
      "(the path of its pid file, if it has no name) and end when the command " +
      "is executed; its standard input, output and error are /dev/null",
    brief: "in the background: prints the name, and returns",
  },
  {
    short: "e",
    long: "env",
    brief: "add environment variable",
    value: "env",
    repeat: true,
    group: "inside",
    help: "add environment variable in the format key=value, can be given " +
      "more than once, the last value of a key wins",
  },
  {
    short: "G",
    long: "graphics",
    brief: "support graphical applications",
    group: "inside",
    help: "setup environment and volumes to support graphical applications: " +
      "X11, Wayland, sound, graphics cards, fonts",
  },
  {
    short: "g",
    long: "group",
    brief: "group name or gid to run command",
    completion: "group",
    value: "group",
    once: "multiple groups are separated by colon",
    group: "inside",
    help: "group name or gid to run command, default to the groups of the " +
      "user (the number of a user whom the root file system does not know), " +
      "can contain multiple values separated by colon",
  },
  {
    short: "h",
    long: "usage",
    brief: "print help on one screen",
    group: "about",
    help: "print help on one screen",
  },
  {
    short: "i",
    long: "init-script",
    brief: "script to be run as root before command",
    completion: "file",
    value: "initscript",
    once: "an instance has one init script",
    group: "inside",
    help: "script to be run inside the container as root before command, " +
      "whenever the instance is created; an absolute path that is not on the " +
      "host is one inside",
  },
  {
    short: "k",
    long: "kill",
    brief: "stop/kill current instance",
    group: "instance",
    help: "stop/kill current instance: SIGTERM, and SIGKILL if it runs after " +
      "5 seconds; nothing is done if none runs",
  },
  {
    short: "l",
    long: "lower",
    brief: 'lower directory, default to "/"',
    completion: "directory",
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
    brief: "application name",
    completion: "instance",
    value: "name",
    once: "an instance has one name",
    group: "instance",
    help: "application name used only to compute appdir and pidfile",
  },
  {
    short: "p",
    long: "pid-file",
    brief: "pid file",
    completion: "file",
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
    brief: "upper directory",
    completion: "directory",
    value: "upperdir",
    once: "an instance has one upper directory",
    group: "storage",
    help: 'upper directory default to "${appdir}/upper", where what is ' +
      "changed is kept; where the filesystem cannot hold one, a loop in " +
      '"${upperdir}/../.." will be created if possible',
  },
  {
    short: "u",
    long: "user",
    brief: "user name or uid to run command",
    completion: "user",
    value: "user",
    once: "a command runs as one user",
    group: "inside",
    help: "user name or uid to run command, default to 0, can follow groups " +
      "separated by colon",
  },
  {
    short: "V",
    long: "version",
    brief: "print version",
    group: "about",
    help: "print version",
  },
  {
    short: "v",
    long: "volume",
    brief: "map a volume from the host to the instance",
    completion: "file",
    value: "volume",
    repeat: true,
    group: "inside",
    help: "map a volume from the host to the instance, if contains a colon " +
      "the value before is considered in the host and after in the instance, " +
      'read-only if ":ro" follows; can be given more than once; a colon in a ' +
      'path is written "\\:"; a directory is made where there is nothing on ' +
      "the host",
  },
  {
    short: "w",
    long: "work-dir",
    brief: "overlay work directory",
    completion: "directory",
    value: "workdir",
    once: "an instance has one work directory",
    group: "storage",
    help: 'overlay work directory default to "${appdir}/work", must be in ' +
      "the same filesystem as upperdir",
  },
  {
    long: "check",
    brief: "tell what the caller may do and why",
    group: "about",
    help: "tell what the caller may do and why, and what the kernel offers",
  },
  {
    long: "compile",
    brief: "write the container as a program of its own",
    completion: "file",
    value: "file",
    once: "a program is written to one file",
    group: "about",
    help: "write the container as a program of its own that needs nothing " +
      "else to run, not even cage; further arguments of it are appended to " +
      "the command",
  },
  {
    long: "dbus",
    brief: "with -G, give access to the session bus",
    group: "inside",
    help: "with -G, give access to the session bus too, by which programs of " +
      "the desktop can be asked to do anything",
  },
  {
    long: "debug",
    brief: "tell each step of the launch",
    group: "inside",
    help: "tell on standard error each step of the launch when it has run: " +
      "seconds since the first, what it is a part of, the system call, its " +
      "result, and the time to the next one",
  },
  {
    long: "diff",
    brief: "tell what was changed",
    group: "changes",
    help:
      "tell what was changed inside against the lower directories, in all " +
      "or in the paths that are named; needs the -l of the instance",
  },
  {
    long: "stat",
    brief: "with --diff, sums alone",
    of: ["diff"],
    group: "changes",
    help: "with --diff, only how many there are of each kind",
  },
  {
    long: "patch",
    brief: "with --diff, a patch of text files",
    of: ["diff"],
    group: "changes",
    help: "with --diff, what text files had and have, as a patch",
  },
  {
    long: "apply",
    brief: "carry changes to lowerdir",
    group: "changes",
    help: "carry what was changed inside over to the lower directory, all or " +
      "the paths that are named, with the rights of the caller; asks before; " +
      "needs the -l of the instance, which must not run; of several lower " +
      "directories, --to names the one that is changed",
  },
  {
    long: "to",
    brief: "with --apply, another directory than the lower one",
    completion: "directory",
    value: "directory",
    once: "changes are carried over to one directory",
    of: ["apply"],
    group: "changes",
    help: "with --apply, another directory than the lower one",
  },
  {
    long: "force",
    brief: "with --apply, replace what was changed below",
    of: ["apply"],
    group: "changes",
    help:
      "with --apply, replace also what was changed in the lower directory " +
      "after the instance had copied it",
  },
  {
    long: "export",
    brief: "write what is inside into a tar file",
    completion: "file",
    value: "file",
    once: "there is one file",
    group: "changes",
    help: 'write what is inside into a tar file, to standard output for "-"; ' +
      "needs the -l of the instance",
  },
  {
    long: "changes",
    brief: "with --export, only what was changed",
    of: ["export"],
    group: "changes",
    help: "with --export, only what was changed, as a layer of an OCI image",
  },
  {
    long: "ephemeral",
    brief: "keep the upper directory in memory",
    group: "storage",
    help: "keep the upper directory in memory, nothing stays when the " +
      "instance ends",
  },
  {
    long: "explain",
    brief: "tell what would be done, and do nothing",
    with: ["json"],
    group: "about",
    help: "tell each step that the same call without this option would do, " +
      "what it is for and who does it, and do nothing; of a program of " +
      "--compile alone, each step of it; --explain=json is for tools",
  },
  {
    long: "help",
    brief: "print all help",
    group: "about",
    help: "print this help, of which man cage has more",
  },
  {
    long: "json",
    brief: "with --explain, --list or --diff, for tools",
    of: ["explain", "list", "diff"],
    group: "instance",
    help: "with --explain, --list and --diff: write JSON; of --diff one " +
      "object on each line; of --list an array of objects, with null for " +
      "what is not known, since as a time of ISO 8601, age in seconds, size " +
      "in bytes",
  },
  {
    long: "list",
    brief: "list instances, running and stored",
    group: "instance",
    help: "list your instances, of root those of everybody: those that run, " +
      "and those of which changes are kept where they are by default, with " +
      "what the changes take",
  },
  {
    long: "no-init",
    brief: "run the command as pid 1",
    group: "inside",
    help: "run the command as pid 1, without the process that collects " +
      "orphans",
  },
  {
    long: "no-new-privs",
    brief: "nothing inside gains privileges",
    group: "inside",
    help: "nothing inside gets privileges by executing a program: sudo and " +
      "su do not work",
  },
  {
    long: "privileged",
    brief: "take nothing from root inside",
    group: "inside",
    help: "take nothing from root inside: no capability, system call or path " +
      "of /proc and /sys; of users of the setuid program only for those who " +
      "are granted",
  },
  {
    long: "reset",
    brief: "throw away what was changed inside",
    group: "instance",
    help: "throw away what was changed inside: the upper and the work " +
      "directory, and an image that took their place; asks before, on a " +
      "terminal",
  },
  {
    long: "yes",
    brief: "with --reset or --apply, do not ask",
    of: ["reset", "apply"],
    group: "instance",
    help: "with --reset and --apply, do not ask",
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

/**
 * Spells an option in all ways, each with its value.
 *
 * @param option A row of the table.
 * @returns The spellings, the letter first.
 *
 * @example With a value
 * ```ts
 * import { OPTIONS, spellings } from "cage/src/options.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(spellings(OPTIONS[0]), ["-a appdir", "--app-dir=appdir"]);
 * ```
 */
export function spellings(
  { long, short, value }: Pick<Option, "long" | "short" | "value">,
): string[] {
  const letter = short === undefined ? [] : [`-${short}`];
  return value === undefined
    ? [...letter, `--${long}`]
    : [...letter.map((name) => `${name} ${value}`), `--${long}=${value}`];
}
