import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Access, accessesOf } from "./support/accesses.ts";
import { faultOf } from "./support/allowed.ts";
import {
  descriptorOf,
  readCalls,
  splitArguments,
  textOf,
} from "./support/strace.ts";

const UID = 1000;
const HOME = "/home/mallory";

/** What a launch did that a trace shows, from its execution on. */
function accessesIn(...lines: string[]): Access[] {
  const first = '1 execve("/usr/bin/cage", ["cage"], 0x1 /* 0 vars */) = 0';
  return accessesOf([first, ...lines].join("\n"), {
    uid: UID,
    mapping: { root: UID, range: 100_000 },
    program: "/usr/bin/cage",
    command: "/bin/sh",
  });
}

/** What is wrong with them, without the line that tells it. */
function faultsIn(...lines: string[]): string[] {
  return accessesIn(...lines).flatMap((access) =>
    faultOf(access, {
      program: "/usr/bin/cage",
      uid: UID,
      controlled: [HOME, "/tmp"],
      named: [`${HOME}/named`],
    })?.split(": ").slice(0, 2).join(": ") ?? []
  );
}

const OPEN =
  `1 openat(AT_FDCWD</>, "${HOME}/named/x", O_RDONLY) = 3<${HOME}/named/x>`;

Deno.test("splitArguments() splits at commas between arguments", () => {
  const text = 'AT_FDCWD</a>, "a,\\"b", [1, {x=2, y=3}], O_RDONLY|O_PATH';
  assertEquals(splitArguments(text), [
    ...["AT_FDCWD</a>", '"a,\\"b"', "[1, {x=2, y=3}]", "O_RDONLY|O_PATH"],
  ]);
  assertEquals(splitArguments(""), []);
});

Deno.test("textOf() and descriptorOf() read what strace shows", () => {
  assertEquals(textOf('"a\\nb\\303\\"\\x41"'), 'a\nb\xc3"A');
  assertEquals(textOf("NULL"), undefined);
  assertEquals(descriptorOf("5</a b>"), { number: 5, path: "/a b" });
  assertEquals(descriptorOf("7</memfd:x>(deleted)")?.path, "/memfd:x");
  assertEquals(descriptorOf("AT_FDCWD</>"), { number: undefined, path: "/" });
});

Deno.test("readCalls() puts both halves of a call together", () => {
  const [first, second] = readCalls([
    '1 openat(AT_FDCWD</>, "/a" <unfinished ...>',
    "2 getpid() = 2",
    "1 <... openat resumed>, O_RDONLY) = 3</a>",
    "1 +++ exited with 0 +++",
  ].join("\n"));
  assertEquals(first.call.args, ["AT_FDCWD</>", '"/a"', "O_RDONLY"]);
  assertEquals([first.call.result, second.call.name], ["3</a>", "getpid"]);
});

Deno.test("A named path that is opened as root is told", () => {
  assertEquals(faultsIn(OPEN), [`With root's rights: ${HOME}/named/x`]);
});

Deno.test("A named path that is opened as the caller is fine", () => {
  const become = [
    "1 setresgid(-1, 1000, -1) = 0",
    "1 setresuid(-1, 1000, -1) = 0",
  ];
  assertEquals(faultsIn(...become, OPEN), []);
  // Files of the group of root would be open to the caller.
  assertEquals(faultsIn(become[1], OPEN), []);
  const back = "1 setresuid(-1, 0, -1) = 0";
  assertEquals(faultsIn(...become, back, OPEN).length, 1);
});

Deno.test("Ids of another thread, groups and capabilities count", () => {
  const clone = "1 clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 2";
  const other = "2 setresuid(-1, 1000, -1) = 0";
  assertEquals(faultsIn(clone, other, OPEN).length, 1);
  const fsuid = "1 setfsuid(1000) = 0";
  assertEquals(faultsIn(fsuid, OPEN), []);
  const groups = "1 setgroups(1, [0]) = 0";
  assertEquals(faultsIn(groups, fsuid, OPEN).length, 1);
  const capset =
    "1 capset({version=3, pid=0}, {effective=1<<CAP_DAC_OVERRIDE," +
    " permitted=0, inheritable=0}) = 0";
  assertEquals(faultsIn(fsuid, capset, OPEN).length, 1);
});

Deno.test("Nobody is root in a user namespace", () => {
  const clone = "1 clone(child_stack=NULL, flags=CLONE_NEWUSER|SIGCHLD) = 2";
  const child = OPEN.replace(/^1/, "2");
  const root = "2 setresuid(0, 0, 0) = 0";
  assertEquals(faultsIn(clone, child).length, 1);
  assertEquals(faultsIn(clone, root, child), []);
});

Deno.test("What nobody named, what is written and executed is told", () => {
  const faults = faultsIn(
    `1 openat(AT_FDCWD</>, "/etc/shadow", O_RDONLY) = 3</etc/shadow>`,
    `1 mkdir("/opt/x", 0777) = 0`,
    `1 openat(5</var/lib>, "x", O_WRONLY|O_CREAT, 0644) = 6</var/lib/x>`,
    `1 stat("/tmp/x", 0x1) = -1 ENOENT (No such file or directory)`,
    `1 execve("/usr/bin/mount", ["mount"], 0x1 /* 0 vars */) = 0`,
    `1 openat(AT_FDCWD</>, "/lib/x", O_RDONLY) = 3<${HOME}/x>`,
    `1 linkat(AT_FDCWD</>, "/proc/self/fd/3", AT_FDCWD</>, "/opt/y", 0) = 0`,
  );
  assertEquals(faults, [
    "Not on the list: /etc/shadow",
    "Written: /opt/x",
    "Written: /var/lib/x",
    "With root's rights: /tmp/x",
    "Executed: /usr/bin/mount",
    `With root's rights: ${HOME}/x`,
    "Written: /opt/y",
  ]);
});

Deno.test("A clone of a mount is known by where it came from", () => {
  const clone = `1 open_tree(AT_FDCWD</>, "${HOME}/named", OPEN_TREE_CLONE)` +
    " = 5</>";
  const [, fault] = faultsIn(
    clone,
    `1 openat(5</>, "x", O_RDONLY) = 6</x>`,
  );
  assertEquals(fault, `With root's rights: ${HOME}/named/x`);
});

Deno.test("Paths of the container, and of the command, are not the host's", () => {
  const lines = [
    `1 pivot_root(".", ".") = 0`,
    `1 openat(AT_FDCWD</>, "/etc/shadow", O_RDONLY) = 3</etc/shadow>`,
    `1 execve("/bin/sh", ["sh"], 0x1 /* 0 vars */) = 0`,
    `1 openat(AT_FDCWD</>, "/etc/shadow", O_RDONLY) = 3</etc/shadow>`,
  ];
  const paths = accessesIn(...lines).filter(({ path }) => /shadow/.test(path));
  assertEquals(paths.map(({ inside }) => inside), [true]);
  assertEquals(faultsIn(...lines), []);
  assert(accessesIn(OPEN)[0].as.overrides);
  assertMatch(accessesIn(OPEN)[0].call.line, /named/);
});
