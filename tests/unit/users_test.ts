import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import {
  MAX_GROUPS,
  parseGroup,
  parsePasswd,
  resolveUser,
  splitUser,
} from "../../src/users.ts";
import { seeded } from "./seeded.ts";

const PASSWD = [
  "root:x:0:0:root:/root:/bin/bash",
  "alice:x:1000:100:Alice,,,:/home/alice:/bin/zsh",
  "bare:x:1001:1001:::",
  "1234:x:77:77::/home/digits:/bin/sh",
  "",
].join("\n");

const GROUP = [
  "root:x:0:",
  "adm:x:4:root,alice",
  "audio:x:29:bob,alice",
  "users:x:100:alice",
  "1234:x:78:",
  "",
].join("\n");

function resolve(user?: string, group?: string) {
  return resolveUser(user, group, PASSWD, GROUP);
}

function messageOf(user?: string, group?: string): string {
  return assertThrows(() => resolve(user, group), UsageError).message;
}

Deno.test("parsePasswd() reads the entries in order", () => {
  assertEquals(parsePasswd(PASSWD).map(({ name }) => name), [
    "root",
    "alice",
    "bare",
    "1234",
  ]);
  assertEquals(parsePasswd(PASSWD)[1], {
    name: "alice",
    uid: 1000,
    gid: 100,
    home: "/home/alice",
    shell: "/bin/zsh",
  });
  assertEquals(parsePasswd(""), []);
  assertEquals(parsePasswd("a:x:1:2:::").length, 1);
});

Deno.test("parsePasswd() skips lines that are no entry", () => {
  const odd = [
    "",
    "# comment",
    "#off:x:1:1::/:/bin/sh",
    "+",
    "+::::::",
    "+nis:x:1:1::/:/bin/sh",
    "-nis:x:1:1::/:/bin/sh",
    "short:x:1:1",
    "long:x:1:1::/:/bin/sh:more",
    ":x:1:1::/:/bin/sh",
    "neg:x:-1:1::/:/bin/sh",
    "plus:x:+1:1::/:/bin/sh",
    "hex:x:0x1:1::/:/bin/sh",
    "exp:x:1e3:1::/:/bin/sh",
    "dot:x:1.0:1::/:/bin/sh",
    "space:x: 1:1::/:/bin/sh",
    "none:x::1::/:/bin/sh",
    "big:x:4294967295:1::/:/bin/sh",
    "gid:x:1:4294967296::/:/bin/sh",
    "huge:x:1" + "0".repeat(400) + ":1::/:/bin/sh",
    "crlf:x:1:1::/:/bin/sh\r",
    "nul:x:1:1::/:/bin/sh\0",
    "x".repeat(1 << 20),
    ":".repeat(1 << 16),
  ];
  for (const line of odd) assertEquals(parsePasswd(line), []);
  assertEquals(parsePasswd(`${odd.join("\n")}\n${PASSWD}`), [
    ...parsePasswd(PASSWD),
  ]);
});

Deno.test("parsePasswd() takes the highest id and a last line without newline", () => {
  assertEquals(parsePasswd("a:x:4294967294:0::/:/bin/sh")[0].uid, 4294967294);
});

Deno.test("parsePasswd() and parseGroup() take any text", () => {
  const random = seeded(7);
  for (let round = 0; round < 2000; round++) {
    const text = random.text(":x01,\n#+-\0\r ", 60);
    parsePasswd(text);
    parseGroup(text);
  }
});

Deno.test("parseGroup() reads names, numbers and members", () => {
  assertEquals(parseGroup("wheel:x:10:root,,bob\nempty:*:5:\n"), [
    { name: "wheel", gid: 10, members: ["root", "bob"] },
    { name: "empty", gid: 5, members: [] },
  ]);
});

Deno.test("parseGroup() skips lines that are no entry", () => {
  const odd = ["#a:x:1:", "+:::", "-a:x:1:", "a:x:1", "a:x:b:", "a:x:1:b:c"];
  assertEquals(parseGroup(odd.join("\n")), []);
});

Deno.test("resolveUser() runs as root if nobody is named", () => {
  assertEquals(resolve(), {
    uid: 0,
    gid: 0,
    groups: [0, 4],
    name: "root",
    home: "/root",
    shell: "/bin/bash",
  });
  assertEquals(resolveUser(undefined, undefined, "", ""), {
    uid: 0,
    gid: 0,
    groups: [0],
  });
});

Deno.test("resolveUser() finds a user by name and by number alike", () => {
  const alice = {
    uid: 1000,
    gid: 100,
    groups: [100, 4, 29],
    name: "alice",
    home: "/home/alice",
    shell: "/bin/zsh",
  };
  assertEquals(resolve("alice"), alice);
  assertEquals(resolve("1000"), alice);
  assertEquals(resolve("01000"), alice);
});

Deno.test("resolveUser() takes a number without an entry for the group too", () => {
  assertEquals(resolve("4242"), { uid: 4242, gid: 4242, groups: [4242] });
  assertEquals(resolve("4294967294"), {
    uid: 4294967294,
    gid: 4294967294,
    groups: [4294967294],
  });
});

Deno.test("resolveUser() takes digits for a number even if they are a name", () => {
  assertEquals(resolve("1234", "1234"), {
    uid: 1234,
    gid: 1234,
    groups: [1234],
  });
});

Deno.test("resolveUser() puts the groups of -u before those of -g", () => {
  assertEquals(resolve("alice:audio:7", "adm:audio:100").groups, [
    29,
    7,
    4,
    100,
  ]);
  assertEquals(resolve("alice:audio").gid, 29);
});

Deno.test("resolveUser() takes no other groups if some are given", () => {
  assertEquals(resolve("alice", "29").groups, [29]);
  assertEquals(resolve(undefined, "users").groups, [100]);
});

Deno.test("resolveUser() names a group once", () => {
  assertEquals(resolve("5", "1000:1000:27:1000").groups, [1000, 27]);
});

Deno.test("resolveUser() leaves out what an entry leaves empty", () => {
  assertEquals(resolve("bare"), {
    uid: 1001,
    gid: 1001,
    groups: [1001],
    name: "bare",
  });
  const relative = "odd:x:5:5::home:sh\n";
  assertEquals(resolveUser("odd", undefined, relative, "").home, undefined);
});

Deno.test("resolveUser() keeps the first of two entries for one user", () => {
  const passwd = "a:x:1:1::/first:/bin/sh\na:x:2:2::/second:/bin/sh\n" +
    "b:x:1:3::/third:/bin/sh\n";
  const group = "g:x:5:\ng:x:6:\n";
  assertEquals(resolveUser("a", "g", passwd, group).home, "/first");
  assertEquals(resolveUser("1", "g", passwd, group).name, "a");
  assertEquals(resolveUser("b", "g", passwd, group).uid, 1);
  assertEquals(resolveUser("a", "g", passwd, group).gid, 5);
});

Deno.test("resolveUser() says that a name is unknown and what to do", () => {
  assertEquals(
    messageOf("bob"),
    'Unknown user "bob": the root file system has no such name in ' +
      "/etc/passwd: use a number, or add the user with an init script (-i)",
  );
  assertEquals(
    messageOf("alice:dj"),
    'Unknown group "dj": the root file system has no such name in ' +
      "/etc/group: use a number, or add the group with an init script (-i)",
  );
});

Deno.test("resolveUser() does not find names that every object has", () => {
  for (const name of ["__proto__", "constructor", "toString", "length"]) {
    assertEquals(
      messageOf(name).startsWith(`Unknown user "${name}": `),
      true,
    );
    assertEquals(
      messageOf("0", name).startsWith(`Unknown group "${name}": `),
      true,
    );
    const passwd = `${name}:x:9:9::/x:/bin/sh`;
    assertEquals(resolveUser(name, undefined, passwd, "").uid, 9);
  }
});

Deno.test("resolveUser() takes only plain decimal digits for a number", () => {
  for (const word of ["-1", "+1", "0x0", "1e0", " 0", "0 ", "٣", "1.0"]) {
    assertEquals(
      messageOf(word).startsWith(`Unknown user "${word}": `),
      true,
    );
  }
});

Deno.test("resolveUser() refuses empty parts", () => {
  for (const user of ["", ":", "alice:", ":adm", "alice::adm"]) {
    assertEquals(
      messageOf(user),
      `Cannot use user "${user}": a part of it is empty: ` +
        "write -u user:group:group",
    );
  }
  assertEquals(
    messageOf("0", "a::b"),
    'Cannot use group "a::b": a part of it is empty: write -g group:group',
  );
});

Deno.test("resolveUser() refuses ids out of range", () => {
  for (const id of ["4294967295", "4294967296", "9".repeat(400)]) {
    const message = `Cannot use id "${id}": it is out of range: ` +
      "ids go from 0 to 4294967294";
    assertEquals(messageOf(id), message);
    assertEquals(messageOf("0", id), message);
    assertEquals(messageOf(`0:${id}`), message);
  }
});

Deno.test("resolveUser() refuses more groups than the kernel takes", () => {
  const listing = (count: number) =>
    Array.from({ length: count }, (_, gid) => `g${gid}:x:${gid}:alice`)
      .join("\n");
  const most = resolveUser("alice", undefined, PASSWD, listing(MAX_GROUPS));
  assertEquals(most.groups.length, MAX_GROUPS);
  assertThrows(
    () => resolveUser("alice", undefined, PASSWD, listing(MAX_GROUPS + 1)),
    UsageError,
    'Cannot run as user "alice": 65537 groups are more than the 65536 that ' +
      "the kernel takes: name some with -g",
  );
});

Deno.test("splitUser() looks nothing up", () => {
  assertEquals(splitUser("nobody-known", undefined), {
    user: "nobody-known",
    groups: [],
  });
  assertEquals(splitUser(undefined, "a:b"), { user: "0", groups: ["a", "b"] });
});
