/**
 * Runs, as data: the words, the environment and the root of each.
 *
 * @module
 */

import { type Option, OPTIONS } from "../../src/options.ts";
import type { Random } from "../unit/seeded.ts";
import { broken, randomArguments, spell } from "./arguments.ts";
import { type HostileRoot, hostileRoot, PLACES } from "./hostile_root.ts";
import { NAME, PLACE, ROOT } from "./marks.ts";
import { ODD_NAMES } from "./odd_files.ts";
import { mutated, oddWord } from "./values.ts";

/** What is run, with marks in its words. */
export interface Run {
  /** The arguments. */
  readonly words: readonly string[];
  /** Variables of the caller's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What is hostile, and whether that is the root or the upper directory. */
  readonly hostile?: HostileRoot & { readonly at: "root" | "upper" };
}

/** Statuses of {@linkcode COMMANDS}, init scripts, and programs that grumble. */
export const STATUSES: readonly number[] = [0, 1, 2, 5, 7, 143];

/** What reads what the container has, also where links lead. */
const READ = [
  "for f in /etc/passwd /etc/hosts /etc/resolv.conf /run/x /tmp/x /root /home",
  "do if test -f $f; then head -c 99 $f; fi",
  "if test -d $f/; then ls -la $f/; fi",
  "done",
  "cat /proc/self/mountinfo",
  "exit 0",
].join("; ");

/** What writes to what the container has, also where links lead. */
const WRITE = [
  "for f in /etc/passwd /etc/hosts /etc/resolv.conf",
  "do if test -f $f || ! test -e $f; then echo inside >$f; fi",
  "done",
  "for d in /dev /run /tmp /var/tmp /var /etc /proc /sys /volume /root /home",
  "do mkdir $d/made-inside",
  "if test -d $d; then echo inside >$d/file-inside; fi",
  "done",
  "exit 0",
].join("; ");

const COMMANDS: readonly (readonly string[])[] = [
  ...[["true"], ["true"], ["/bin/true"], ["bin/true"], []],
  ...[["nosuch"], ["/nosuch/x"], ["/"], ["/etc/passwd"], [""], ["-"], ["."]],
  ...[["/bin/sh", "-c", "exit 7"], ["sh", "-c", "kill -TERM $$"]],
  ...[["sh", "-c", "echo inside: x >&2; cat; id"], ["/dev/fd/0"]],
  ["/bin/sh", "-c", READ],
  ["/bin/sh", "-c", WRITE],
];

/** Where paths inside lead, for options that name one. */
const INSIDE = [
  ...PLACES.map((place) => `/${place}`),
  ...["/volume/new/deep", "/etc/new", "/proc/self/fd/0", "/proc/1/root/tmp"],
  ...["/dev/fd/3", "/nosuch", "/proc/self/cwd", "/proc/1/root", "/bin/sh/x"],
];

/**
 * Makes a run with random arguments on an ordinary root, on odd files. Nothing
 * outside of the directory of the case is named for anything that is written.
 *
 * @param random What chooses.
 * @returns The run.
 */
export function argumentsRun(random: Random): Run {
  return random.below(2) === 0 ? oddFileRun(random) : wildRun(random);
}

/** One option names an odd file, and all else is as it should be. */
function oddFileRun(random: Random): Run {
  const option = random.pick(
    OPTIONS.filter(({ long }) => PATH_OPTIONS.includes(long)),
  );
  return {
    words: [
      ...["-n", NAME, "-l", ROOT],
      ...spell(random, option, valueOf(random, option.long)),
      ...["--", ...random.pick(COMMANDS)],
    ],
    env: {},
  };
}

function wildRun(random: Random): Run {
  const value = (option: Option) => valueOf(random, option.long);
  const command = () =>
    random.below(6) === 0
      ? random.list(3, () => oddWord(random))
      : random.pick(COMMANDS);
  const words = randomArguments(random, { value, command, most: 3 });
  const start = [
    ...spell(random, { short: "n", long: "name" }, value(NAME_OPTION)),
    ...random.below(6) === 0
      ? []
      : spell(random, { short: "l", long: "lower" }, ROOT),
  ];
  const all = [...start, ...words];
  const isBroken = random.below(6) === 0;
  return {
    words: isBroken ? broken(random, all) : all,
    env: environment(random),
  };
}

/**
 * Makes a run of something ordinary on a hostile root.
 *
 * @param random What chooses.
 * @returns The run.
 */
export function rootRun(random: Random): Run {
  const hostile = hostileRoot(random);
  const at = random.below(5) === 0 ? "upper" : "root";
  const sometimes = (words: string[]) => random.below(5) === 0 ? words : [];
  const storage = at === "upper" ? ["-a", `${PLACE}/app`] : random.pick([
    ...[[], [], ["--ephemeral"], ["-a", `${PLACE}/app`]],
    ["-U", `${PLACE}/u/upper`, "-w", `${PLACE}/u/work`],
  ]);
  return {
    words: [
      ...["-n", NAME, "-l", ROOT, ...storage],
      ...sometimes(["-u", random.pick(["alice", "1000", "0:0", "65534:7"])]),
      ...sometimes(["-c", random.pick(INSIDE)]),
      ...sometimes([
        "-v",
        `${random.pick(["dir", "text", "new"])}:${random.pick(INSIDE)}`,
      ]),
      ...sometimes(["-i", random.pick(["script-5", "script-0", "/init"])]),
      ...sometimes(["--no-init"]),
      ...["--", ...random.pick(COMMANDS)],
    ],
    env: {},
    hostile: { ...hostile, at },
  };
}

/** Options that name something on the host. */
const PATH_OPTIONS = [
  ...["app-dir", "init-script", "lower", "pid-file", "upper", "volume"],
  "work-dir",
];

const NAME_OPTION = { long: "name" } as Option;

/** Values of options, none of which names a path of the host that matters. */
function valueOf(random: Random, long: string): string {
  const path = () => pathIn(random);
  switch (long) {
    case "name":
      return NAME +
        random.pick(["", "", "", ".x", "-é", "\n", "n".repeat(180)]);
    case "init-script":
      // What the caller has open: it is empty, or not open at all.
      return random.pick([path(), path(), "/proc/self/fd/0", "/dev/fd/99"])
        // The shell would read a terabyte of nothing.
        .replace("sparse", "empty");
    case "app-dir":
    case "pid-file":
    case "upper":
    case "work-dir":
      return path();
    case "lower":
      return random.pick([ROOT, path(), `${ROOT}:${path()}`, "/", "/proc"]);
    case "volume":
      return path() + random.pick([
        ...["", ":relative", ":/volume:ro", "::", ":/:ro", ":/volume:x"],
        ...[`:${random.pick(INSIDE)}`, `:${random.pick(INSIDE)}:ro`],
      ]);
    case "env":
      return random.pick([
        ...["A=1", "PATH=", "PATH=:/bin", "SHELL=/nosuch", "SHELL=bin/sh"],
        ...["HOME=", `A=${oddWord(random)}`, oddWord(random), "LD_PRELOAD=x"],
      ]);
    case "directory":
      return random.pick([...INSIDE, "bin", "..", oddWord(random)]);
    case "user":
    case "group":
      return random.pick(["alice", "0", "0:0:4", "alice:staff", "bare"].concat(
        oddWord(random),
      ));
    default:
      // An option that is not known here may name a path.
      return oddWord(random).replaceAll("/", "-");
  }
}

function pathIn(random: Random): string {
  const name = random.pick(ODD_NAMES);
  const path = random.pick([name, name, `./${name}`, `${PLACE}/${name}`]);
  const escaped = random.below(3) === 0 ? path : path.replace(/[:\\]/g, "\\$&");
  return random.below(10) === 0 ? mutated(random, escaped) : escaped;
}

function environment(random: Random): Record<string, string> {
  if (random.below(4) > 0) return {};
  const key = random.pick([
    "TERM",
    "LANG",
    "PATH",
    "HOME",
    "DENO_DIR",
    "TMPDIR",
  ]);
  return random.pick<Record<string, string>>([
    { [key]: oddWord(random).replace(/[\uf700-\uf77f]/g, "") },
    { V8_FLAGS: "--nosuch", DENO_V8_FLAGS: "--nosuch", RUST_BACKTRACE: "1" },
    { DENO_LOG: "x", RUST_LOG: "trace", NODE_OPTIONS: "--nosuch" },
  ]);
}
