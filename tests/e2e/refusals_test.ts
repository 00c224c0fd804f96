/**
 * What is refused, and in which words.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  afterMounting,
  cage,
  type Context,
  exists,
  fingerprint,
  type RunOptions,
  sh,
  spawnCage,
  test,
  waiting,
} from "./support/mod.ts";

/** Something that is refused. */
interface Refusal {
  /** What it is, after "cage refuses". */
  readonly what: string;
  /** The arguments; `%` stands for the directory of the test. */
  readonly args: readonly string[];
  /** The whole of standard error; `%` as above. */
  readonly says: string;
  /** The exit status; 125 if absent. */
  readonly status?: number;
  /** A shell script that prepares the host, run in the test's directory. */
  readonly after?: string;
}

const NAME_ADVICE = 'letters, digits, "-", "_" and "." make a good name';
const VOLUME_ADVICE =
  'write HOST, HOST:INSIDE or HOST:INSIDE:ro, and "\\:" for a colon in a path';

/** Where the words themselves are wrong. */
const WORDS: readonly Refusal[] = [
  {
    what: "an unknown long option",
    args: ["--nmae", "x"],
    says:
      'Unknown option "--nmae": did you mean --name? cage -h lists the options',
  },
  {
    what: "an unknown letter",
    args: ["-Z"],
    says: 'Unknown option "-Z": cage -h lists the options',
  },
  {
    what: "an option without its value",
    args: ["-n"],
    says: "Option -n needs a value: -n name",
  },
  {
    what: "an option for a value",
    args: ["-n", "-k"],
    says: 'Option -n needs a value: "-k" looks like an option: ' +
      'write "-n=-k" if it is the value',
  },
  {
    what: "a value where there is none",
    args: ["--kill=yes"],
    says: "Option --kill takes no value: write --kill alone",
  },
  {
    what: "an empty name",
    args: ["-n", "", "true"],
    says: "Option -n has an empty value: -n name",
  },
  {
    what: "a name with a slash",
    args: ["-n", "../x", "true"],
    says: `Cannot use "../x" as a name: it contains "/": ${NAME_ADVICE}`,
  },
  {
    what: "a name with a newline",
    args: ["-n", "a\nb", "true"],
    says: 'Cannot use "a\\x0ab" as a name: it contains a control character: ' +
      NAME_ADVICE,
  },
  {
    what: "the name of a directory",
    args: ["-n", "..", "true"],
    says: `Cannot use ".." as a name: it means a directory: ${NAME_ADVICE}`,
  },
  {
    what: "a long name",
    args: ["-n", "n".repeat(201), "true"],
    says: `Cannot use "${"n".repeat(201)}" as a name: ` +
      `it is longer than 200 bytes: ${NAME_ADVICE}`,
  },
  {
    what: "two names",
    args: ["-n", "a", "-n", "b"],
    says: 'Option -n is given twice, as "a" and "b": ' +
      "an instance has one name",
  },
  {
    what: "a variable without an equals sign",
    args: ["-e", "FOO", "true"],
    says: 'Cannot set environment variable "FOO": it has no "=": ' +
      "write -e key=value",
  },
  {
    what: "a variable without a name",
    args: ["-e", "=x", "true"],
    says: 'Cannot set environment variable "=x": its key is empty: ' +
      "write -e key=value",
  },
  {
    what: "a command for -k",
    args: ["-k", "ls"],
    says: "Cannot use -k with a command: -k only stops an instance",
  },
  {
    what: "an upper directory for --ephemeral",
    args: ["--ephemeral", "-U", "%/upper", "true"],
    says: "Cannot use --ephemeral with -U: the upper directory of an " +
      "ephemeral instance is in memory: leave one of them out",
  },
  {
    what: "an empty volume",
    args: ["-v", ":", "true"],
    says: `Cannot map volume ":": a part of it is empty: ${VOLUME_ADVICE}`,
  },
  {
    what: "a volume with four parts",
    args: ["-v", "/a:/b:ro:x", "true"],
    says: 'Cannot map volume "/a:/b:ro:x": it has more than three parts: ' +
      VOLUME_ADVICE,
  },
  {
    what: "a volume at a relative path",
    args: ["-v", "/a:b", "true"],
    says: 'Cannot map volume "/a:b": the path inside, "b", is not absolute: ' +
      VOLUME_ADVICE,
  },
  {
    what: "a volume of an unknown mode",
    args: ["-v", "/a:/b:rx", "true"],
    says: 'Cannot map volume "/a:/b:rx": its mode "rx" is neither "ro" nor ' +
      `"rw": ${VOLUME_ADVICE}`,
  },
  {
    what: "a volume in place of the root",
    args: ["-v", "/", "true"],
    says: 'Cannot map volume "/": the path inside is the root, which the ' +
      `layers make: ${VOLUME_ADVICE}`,
  },
  {
    what: "an id out of range",
    args: ["-u", "4294967295", "true"],
    says: 'Cannot use id "4294967295": it is out of range: ' +
      "ids go from 0 to 4294967294",
  },
  {
    what: "an empty group",
    args: ["-g", "a:", "true"],
    says: 'Cannot use group "a:": a part of it is empty: ' +
      "write -g group:group",
  },
  {
    what: "an empty lower directory",
    args: ["-l", "/a::/b", "true"],
    says: 'Cannot use lower directory "/a::/b": an element is empty: ' +
      'write top:bottom, and "\\:" for a colon in a path',
  },
];

const ROOT = ["-l", "%/root"];
const APP = ["-a", "%/app"];
const PID = ["-p", "%/pid"];
const ALL = [...ROOT, ...APP, ...PID];

/** Where what they name is wrong. */
const THINGS: readonly Refusal[] = [
  {
    what: "a lower directory that is missing",
    args: [...APP, ...PID, "-l", "%/missing", "true"],
    says: 'Cannot use lower directory "%/missing": no such file or ' +
      "directory: create it, or name another one with -l",
  },
  {
    what: "a lower directory that is missing among others",
    args: [...ALL, "-l", "%/missing", "true"],
    says: 'Cannot use lower directory "%/missing": no such file or ' +
      "directory: create it, or name another one with -l",
  },
  {
    what: "a lower directory that is a file",
    args: [...APP, ...PID, "-l", "%/file", "true"],
    after: ": >file",
    says: 'Cannot use lower directory "%/file": ' +
      "not a directory: name a directory with -l, and unpack an archive first",
  },
  {
    what: "an upper directory that is a file",
    args: [...ALL, "-U", "%/file", "true"],
    after: ": >file",
    says: 'Cannot use upper directory "%/file": ' +
      "not a directory: use -U to put it elsewhere",
  },
  {
    what: "an application directory on a read-only file system",
    args: [...ROOT, ...PID, "-a", "%/disk/app", "true"],
    after: "mkdir disk; mount -t tmpfs -o ro tmpfs disk",
    says: 'Cannot create directory "%/disk/app": ' +
      "read-only file system: use -a to put it elsewhere",
  },
  {
    what: "an upper directory on a read-only file system",
    args: [...ALL, "-U", "%/disk/upper", "-w", "%/disk/work", "true"],
    after: "mkdir disk; mount -t tmpfs tmpfs disk; " +
      "mkdir disk/upper disk/work; mount -o remount,ro disk 2>/dev/null || " +
      // What a user mounts can be read-only as a mount alone.
      "mount -o remount,bind,ro disk",
    says: 'Cannot use upper directory "%/disk/upper": ' +
      "read-only file system: use -U to put it elsewhere",
  },
  {
    what: "an application directory on a full file system",
    args: [...ROOT, ...PID, "-a", "%/disk/app", "true"],
    after: "mkdir disk; mount -t tmpfs -o nr_inodes=2 tmpfs disk; " +
      "mkdir -m 700 disk/app",
    says: 'Cannot create upper directory "%/disk/app/upper": ' +
      "no space left on device: use -a to put it elsewhere",
  },
  {
    what: "a work directory on another file system",
    args: [...ALL, "-w", "%/disk/work", "true"],
    after: "mkdir disk; mount -t tmpfs tmpfs disk",
    says: 'Cannot use work directory "%/disk/work": ' +
      'it is not on the file system of "%/app/upper": use -w to put it there',
  },
  {
    what: "an application directory below a file",
    args: [...ROOT, ...PID, "-a", "%/file/app", "true"],
    after: ": >file",
    says: 'Cannot create directory "%/file/app": ' +
      "not a directory: use -a to put it elsewhere",
  },
  {
    what: "a pid file that is a directory",
    args: [...ROOT, ...APP, "-p", "%/directory", "true"],
    after: "mkdir directory",
    says: 'Cannot open pid file "%/directory": ' +
      "is a directory: use -p to put it elsewhere",
  },
  {
    what: "an init script that is missing",
    args: [...ALL, "-i", "%/missing", "true"],
    says: 'Cannot read init script "%/missing": no such file or directory: ' +
      "name a file inside the root file system or on the host",
  },
  {
    what: "an init script that is a directory",
    args: [...ALL, "-i", "%/directory", "true"],
    after: "mkdir directory",
    says: 'Cannot read init script "%/directory": it is a directory: ' +
      "name a file",
  },
  {
    what: "an init script that is not open",
    args: [...ALL, "-i", "/proc/self/fd/77", "true"],
    says: 'Cannot read init script "/proc/self/fd/77": descriptor 77 is not ' +
      "open: give it to cage, as with 77<FILE",
  },
  {
    what: "a user without an entry",
    args: [...ALL, "-u", "nobody-here", "true"],
    says: 'Unknown user "nobody-here": the root file system has no such name ' +
      "in /etc/passwd: use a number, or add the user with an init script (-i)",
  },
  {
    what: "a group without an entry",
    args: [...ALL, "-g", "nobody-here", "true"],
    says: 'Unknown group "nobody-here": the root file system has no such ' +
      "name in /etc/group: use a number, or add the group with an init " +
      "script (-i)",
  },
  {
    what: "a directory that is missing",
    args: [...ALL, "-c", "/nowhere", "true"],
    says: 'Cannot enter directory "/nowhere" inside: ' +
      "no such file or directory: name one inside with -c",
  },
  {
    what: "a directory that is a file",
    args: [...ALL, "-c", "/etc/passwd", "true"],
    says: 'Cannot enter directory "/etc/passwd" inside: ' +
      "not a directory: name one inside with -c",
  },
  {
    what: "a volume below a file of the host",
    args: [...ALL, "-v", "%/file/x:/in", "true"],
    after: ": >file",
    says: 'Cannot map volume "%/file/x": not a directory: ' +
      "name a directory or a file of the host with -v",
  },
  {
    what: "a volume of a directory on a file inside",
    args: [...ALL, "-v", "%/root/home:/etc/passwd", "true"],
    says: 'Cannot map volume "%/root/home" to "/etc/passwd": ' +
      "not a directory: a directory needs a directory, a file needs a file",
  },
  {
    what: "a command that is nowhere in PATH",
    args: [...ALL, "nowhere"],
    status: 127,
    says: 'Cannot run "nowhere": no such file or directory: it is in no ' +
      "directory of PATH inside",
  },
  {
    what: "a command that is missing",
    args: [...ALL, "/nowhere"],
    status: 127,
    says: 'Cannot run "/nowhere": no such file or directory: ' +
      "name a program of the root file system",
  },
  {
    what: "a command that may not be executed",
    args: [...ALL, "/etc/passwd"],
    status: 126,
    says: 'Cannot run "/etc/passwd": permission denied',
  },
  {
    what: "a command that is a directory",
    args: [...ALL, "/etc"],
    status: 126,
    says: 'Cannot run "/etc": permission denied',
  },
  {
    what: "a login shell that is missing",
    args: [...ALL, "-e", "SHELL=/nowhere/sh"],
    status: 127,
    says: 'Cannot run "/nowhere/sh": no such file or directory: ' +
      "name a program of the root file system",
  },
];

for (const refusal of [...WORDS, ...THINGS]) {
  test(`cage refuses ${refusal.what}`, async (t) => {
    const { args, says, status = 125 } = refusal;
    if (THINGS.includes(refusal)) await t.root();
    const put = (text: string) => text.replaceAll("%", t.scratch);
    const kept = makeUpper(t);
    const before = await fingerprint(kept);
    const result = await cage(args.map(put), host(t, refusal));
    const stderr = `cage: ${put(says)}\n`;
    assertEquals(result, { status, stdout: "", stderr });
    assertEquals(await fingerprint(kept), before);
    assertEquals(exists(`${t.scratch}/pid`), false);
  });
}

/** An upper layer that must be the same afterwards. */
function makeUpper(t: Context): string {
  const kept = `${t.scratch}/app/upper/kept`;
  Deno.mkdirSync(kept, { recursive: true });
  Deno.chmodSync(`${t.scratch}/app`, 0o700);
  Deno.writeTextFileSync(`${kept}/file`, "kept\n");
  return kept;
}

function host(t: Context, { after }: Refusal): RunOptions {
  if (after === undefined) return {};
  return { within: afterMounting(`cd '${t.scratch}'; ${after}; cd /`) };
}

test("cage refuses an unknown user when it attaches", async (t) => {
  await using child = spawnCage([...await t.options(), ...waiting()]);
  await child.seen("ready");
  const { status, stderr } = await t.cage(["-u", "nobody-here", "true"]);
  assertEquals([status, stderr], [
    125,
    'cage: Unknown user "nobody-here": the root file system has no such ' +
    "name in /etc/passwd: use a number, or add the user with an init script " +
    "(-i)\n",
  ]);
  assertEquals((await child.end()).status, 0);
});

test("cage works again after it has refused", async (t) => {
  await t.sh("echo kept >/kept");
  const wrong = [
    ["-u", "nobody-here"],
    ["-c", "/nowhere"],
    ["-i", "/nowhere"],
    ["-v", "/etc/passwd/x:/in"],
    ["nowhere"],
  ];
  for (const args of wrong) {
    const { status } = await t.cage([...args, ...sh("true")]);
    assertEquals(status >= 125 && status <= 127, true, args.join(" "));
    assertEquals(await t.sh("cat /kept"), "kept\n");
  }
});
