import { assertEquals, assertThrows } from "@std/assert";
import {
  commandLine,
  containerEnvironment,
  DEFAULT_PATH,
  parseEnv,
  parseEnviron,
  searchPath,
} from "../../src/environment.ts";
import { UsageError } from "../../src/errors.ts";
import type { ResolvedUser } from "../../src/users.ts";
import { seeded } from "./seeded.ts";

const ALICE: ResolvedUser = {
  uid: 1000,
  gid: 100,
  groups: [100],
  name: "alice",
  home: "/home/alice",
  shell: "/bin/zsh",
};

const STRANGER: ResolvedUser = { uid: 4242, gid: 4242, groups: [4242] };

function environment(
  user: ResolvedUser,
  extra: readonly string[] = [],
  callerEnv: ReadonlyMap<string, string> = new Map(),
) {
  return containerEnvironment({ user, callerEnv, extra });
}

Deno.test("containerEnvironment() takes the user's entry", () => {
  assertEquals(environment(ALICE), {
    env: [
      `PATH=${DEFAULT_PATH}`,
      "TERM=vt100",
      "LANG=C",
      "HOME=/home/alice",
      "USER=alice",
      "LOGNAME=alice",
      "SHELL=/bin/zsh",
    ],
    home: "/home/alice",
    shell: "/bin/zsh",
    path: DEFAULT_PATH,
  });
});

Deno.test("containerEnvironment() gives a user without an entry no name", () => {
  assertEquals(environment(STRANGER), {
    env: [
      `PATH=${DEFAULT_PATH}`,
      "TERM=vt100",
      "LANG=C",
      "HOME=/tmp/.home",
      "SHELL=/bin/sh",
    ],
    home: "/tmp/.home",
    shell: "/bin/sh",
    path: DEFAULT_PATH,
  });
});

Deno.test("containerEnvironment() knows root without an entry", () => {
  const { env } = environment({ uid: 0, gid: 0, groups: [0] });
  assertEquals(env.slice(3), [
    "HOME=/root",
    "USER=root",
    "LOGNAME=root",
    "SHELL=/bin/sh",
  ]);
});

Deno.test("containerEnvironment() uses the name of another user with uid 0", () => {
  const toor = { uid: 0, gid: 0, groups: [0], name: "toor", home: "/toor" };
  assertEquals(environment(toor).env.slice(3, 5), ["HOME=/toor", "USER=toor"]);
});

Deno.test("containerEnvironment() takes TERM and LANG of the caller only", () => {
  const caller = new Map([
    ["TERM", "xterm-256color"],
    ["LANG", "de_DE.UTF-8"],
    ["PATH", "/evil"],
    ["HOME", "/evil"],
    ["LD_PRELOAD", "/evil.so"],
    ["LC_ALL", "C"],
  ]);
  assertEquals(environment(STRANGER, [], caller).env, [
    `PATH=${DEFAULT_PATH}`,
    "TERM=xterm-256color",
    "LANG=de_DE.UTF-8",
    "HOME=/tmp/.home",
    "SHELL=/bin/sh",
  ]);
});

Deno.test("containerEnvironment() drops values of the caller that are odd", () => {
  for (const odd of ["", "\x1b[2J", "a\nb", "\x7f", "\x9b31m"]) {
    const caller = new Map([["TERM", odd], ["LANG", odd]]);
    assertEquals(environment(ALICE, [], caller).env.slice(1, 3), [
      "TERM=vt100",
      "LANG=C",
    ]);
  }
});

Deno.test("containerEnvironment() lets the last of -e win in place", () => {
  const extra = ["A=1", "TERM=dumb", "B=2", "A=3", "LOGNAME="];
  assertEquals(environment(ALICE, extra).env, [
    `PATH=${DEFAULT_PATH}`,
    "TERM=dumb",
    "LANG=C",
    "HOME=/home/alice",
    "USER=alice",
    "LOGNAME=",
    "SHELL=/bin/zsh",
    "A=3",
    "B=2",
  ]);
});

Deno.test("containerEnvironment() hands the final HOME, SHELL and PATH back", () => {
  const { home, shell, path } = environment(ALICE, [
    "HOME=/h",
    "SHELL=/s",
    "PATH=",
  ]);
  assertEquals([home, shell, path], ["/h", "/s", ""]);
  assertEquals(environment(ALICE, ["SHELL="]).shell, "/bin/sh");
});

Deno.test("containerEnvironment() takes keys that every object has", () => {
  assertEquals(
    environment(ALICE, ["__proto__=1", "constructor=2"]).env.slice(7),
    ["__proto__=1", "constructor=2"],
  );
});

Deno.test("containerEnvironment() names each key once, whatever is given", () => {
  const random = seeded(8);
  for (let round = 0; round < 500; round++) {
    const key = () => random.pick(["A", "B", "PATH", "HOME", "TERM"]);
    const extra = random.list(8, () => `${key()}=${random.text("ab=", 3)}`);
    const pairs = environment(ALICE, extra).env.map(parseEnv);
    assertEquals(new Set(pairs.map(([name]) => name)).size, pairs.length);
    const expected = new Map(
      [...environment(ALICE).env, ...extra].map(parseEnv),
    );
    assertEquals(pairs, [...expected]);
  }
});

Deno.test("parseEnv() splits at the first equals sign", () => {
  assertEquals(parseEnv("A=b"), ["A", "b"]);
  assertEquals(parseEnv("A="), ["A", ""]);
  assertEquals(parseEnv("A=b=c\nd e"), ["A", "b=c\nd e"]);
  assertEquals(parseEnv("odd key=x"), ["odd key", "x"]);
});

Deno.test("parseEnv() refuses what is not key=value", () => {
  const cases = [
    ["FOO", '"FOO"', 'it has no "="'],
    ["", '""', 'it has no "="'],
    ["=x", '"=x"', "its key is empty"],
    ["=", '"="', "its key is empty"],
    ["A=b\0c", '"A=b\\x00c"', "it contains a NUL byte"],
    ["A\0=b", '"A\\x00=b"', "it contains a NUL byte"],
  ];
  for (const [text, shown, why] of cases) {
    const error = assertThrows(() => parseEnv(text), UsageError);
    assertEquals(
      error.message,
      `Cannot set environment variable ${shown}: ${why}: write -e key=value`,
    );
  }
});

Deno.test("parseEnviron() keeps the first of a key, as getenv does", () => {
  const bytes = new TextEncoder().encode("A=1\0B=x=y\0A=2\0");
  assertEquals([...parseEnviron(bytes)], [["A", "1"], ["B", "x=y"]]);
});

Deno.test("parseEnviron() skips entries that are not key=value", () => {
  const bytes = new TextEncoder().encode("\0odd\0=x\0\0C=\0");
  assertEquals([...parseEnviron(bytes)], [["C", ""]]);
  assertEquals(parseEnviron(new Uint8Array()).size, 0);
});

Deno.test("parseEnviron() takes a last entry without its NUL byte", () => {
  const bytes = new TextEncoder().encode("A=1\0TERM=xterm");
  assertEquals(parseEnviron(bytes).get("TERM"), "xterm");
});

Deno.test("parseEnviron() takes bytes that are not UTF-8", () => {
  const bytes = Uint8Array.of(0x41, 0x3d, 0xff, 0, 0xef, 0xbb, 0xbf, 0x3d, 0);
  assertEquals([...parseEnviron(bytes)], [["A", "\ufffd"], ["\ufeff", ""]]);
});

Deno.test("commandLine() takes the command as it is", () => {
  assertEquals(commandLine(["ls", "-l", ""], "/bin/sh"), {
    file: "ls",
    argv: ["ls", "-l", ""],
  });
});

Deno.test("commandLine() makes the shell a login shell without a command", () => {
  const cases = [
    ["/bin/sh", "-sh"],
    ["/usr/local/bin/my shell", "-my shell"],
    ["bash", "-bash"],
  ];
  for (const [shell, name] of cases) {
    assertEquals(commandLine(undefined, shell), { file: shell, argv: [name] });
    assertEquals(commandLine([], shell), { file: shell, argv: [name] });
  }
});

Deno.test("searchPath() lists a file of each directory in order", () => {
  assertEquals(searchPath("ls", "/b:/a:/b"), ["/b/ls", "/a/ls", "/b/ls"]);
  assertEquals(searchPath("ls", "rel/dir"), ["rel/dir/ls"]);
});

Deno.test("searchPath() does not search for a command with a slash", () => {
  for (const command of ["/bin/ls", "./ls", "a/b", "/"]) {
    assertEquals(searchPath(command, "/bin"), [command]);
  }
});

Deno.test("searchPath() takes an empty element for the current directory", () => {
  assertEquals(searchPath("ls", ""), ["ls"]);
  assertEquals(searchPath("ls", ":/bin:"), ["ls", "/bin/ls", "ls"]);
});

Deno.test("searchPath() finds an empty command nowhere", () => {
  assertEquals(searchPath("", "/bin:"), []);
});
