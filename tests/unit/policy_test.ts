import { assert, assertEquals, assertThrows } from "@std/assert";
import { CageError } from "../../src/errors.ts";
import {
  DEFAULT_POLICY,
  type Granted,
  grantOf,
  parsePolicy,
} from "../../src/policy.ts";

function messageOf(text: string): string {
  const start = 'Cannot use policy "/etc/cage/policy.json": ';
  const { message } = assertThrows(() => parsePolicy(text), CageError);
  assertEquals(message.slice(0, start.length), start);
  return message.slice(start.length);
}

Deno.test("parsePolicy() gives the default where nothing is said", () => {
  assertEquals(parsePolicy("{}"), DEFAULT_POLICY);
  assertEquals(
    parsePolicy('{"granted": {}, "limits": {}, "$schema": "x"}'),
    DEFAULT_POLICY,
  );
  assertEquals(parsePolicy('{"limits": {"images": 0}}').limits, {
    ...DEFAULT_POLICY.limits,
    images: 0,
  });
});

Deno.test("the default policy grants nobody anything", () => {
  assertEquals(DEFAULT_POLICY.granted, { users: [], groups: [] });
  assertEquals(DEFAULT_POLICY.trustedRoots, ["/var/lib/microcontainer-root"]);
  assertEquals(DEFAULT_POLICY.volumes, undefined);
});

Deno.test("parsePolicy() reads every key", () => {
  const policy = {
    granted: { users: ["alice", 0, 4294967294], groups: ["domain users", 7] },
    trustedRoots: ["/srv/a.b/..c", "/…"],
    volumes: ["/", "/home"],
    limits: { instances: 1, images: 0, imageBytes: 2 ** 53 - 1 },
  };
  assertEquals(parsePolicy(JSON.stringify(policy)), policy);
});

Deno.test("parsePolicy() tells an empty list from none", () => {
  assertEquals(parsePolicy('{"volumes": []}').volumes, []);
  assertEquals(parsePolicy('{"trustedRoots": []}').trustedRoots, []);
});

Deno.test("the example in docs is a policy", () => {
  const url = new URL("../../docs/policy.example.json", import.meta.url);
  assertEquals(parsePolicy(Deno.readTextFileSync(url)), {
    granted: { users: ["alice", 1001], groups: ["cage"] },
    trustedRoots: ["/var/lib/microcontainer-root", "/srv/roots"],
    volumes: ["/home", "/srv/data"],
    limits: DEFAULT_POLICY.limits,
  });
});

Deno.test("parsePolicy() names the key, the value and what is valid", () => {
  const whole = "it has to be a whole number from 0 to 9007199254740991";
  const id = "it has to be a name, or a number from 0 to 4294967294";
  const path = 'it has to be an absolute path without ".", ".." and a slash ' +
    "at its end";
  const cases: [string, string][] = [
    ["[]", "it is a list: it has to be an object"],
    ["null", "it is null: it has to be an object"],
    [
      '{"grant": {}}',
      '"grant" is no key of it: valid are "$schema", "granted", ' +
      '"trustedRoots", "volumes", "limits"',
    ],
    [
      '{"limits": {"memory": 1}}',
      '"limits.memory" is no key of it: valid are "instances", "images", ' +
      '"imageBytes"',
    ],
    ['{"granted": []}', '"granted" is a list: it has to be an object'],
    [
      '{"granted": {"users": "alice"}}',
      '"granted.users" is "alice": it has to be a list',
    ],
    ['{"granted": {"users": ["a", "7"]}}', `"granted.users[1]" is "7": ${id}`],
    [
      '{"granted": {"groups": [{}]}}',
      `"granted.groups[0]" is an object: ${id}`,
    ],
    ['{"limits": {"images": -1}}', `"limits.images" is -1: ${whole}`],
    ['{"limits": {"images": 1.5}}', `"limits.images" is 1.5: ${whole}`],
    ['{"volumes": ["home"]}', `"volumes[0]" is "home": ${path}`],
    [
      '{"trustedRoots": ["/"]}',
      `"trustedRoots[0]" is "/": ${path}, not "/"`,
    ],
    ['{"$schema": 1}', '"$schema" is 1: it has to be a text'],
    ['{\n"a": 1,\n}', "line 3, column 1: there is no key in double quotes"],
    [
      '{"limits": {}, "limits": {}}',
      "line 1, column 16: the key is there a second time",
    ],
  ];
  for (const [text, message] of cases) assertEquals(messageOf(text), message);
});

Deno.test("parsePolicy() names the file that it is told", () => {
  assertThrows(
    () => parsePolicy("", "/x\n"),
    CageError,
    'Cannot use policy "/x\\x0a": line 1, column 1: there is no value',
  );
});

Deno.test("parsePolicy() does not find keys that every object has", () => {
  for (const key of ["__proto__", "constructor", "toString"]) {
    const message = messageOf(`{"${key}": {"granted": {"users": [1]}}}`);
    assert(message.startsWith(`"${key}" is no key of it: `), message);
  }
});

const PASSWD = [
  "root:x:0:0::/root:/bin/sh",
  "alice:x:1000:100::/home/alice:/bin/sh",
  "alice:x:1002:100::/home/alice:/bin/sh",
  "twin:x:1000:100::/home/alice:/bin/sh",
  "#old:x:1003:100::/:/bin/sh",
  "",
].join("\n");
const GROUP = "users:x:100:\ncage:x:800:bob\ncage:x:801:\nlast:x:900:\n";
const BOB = { uid: 1001, gid: 500, groups: [501, 27] };

function grant(granted: Partial<Granted>, caller = BOB): string | undefined {
  const all = { users: [], groups: [], ...granted };
  const policy = { ...DEFAULT_POLICY, granted: all };
  return grantOf(policy, caller, PASSWD, GROUP);
}

Deno.test("grantOf() grants nothing by default", () => {
  assertEquals(grant({}), undefined);
  assertEquals(grant({}, { uid: 1000, gid: 100, groups: [800] }), undefined);
});

Deno.test("grantOf() finds a user by name and by number", () => {
  const alice = { ...BOB, uid: 1000 };
  assertEquals(grant({ users: ["bob", "alice"] }, alice), "user alice");
  assertEquals(grant({ users: [1000] }, alice), "user 1000");
  assertEquals(grant({ users: ["twin"] }, alice), "user twin");
  assertEquals(grant({ users: ["alice", 1000] }), undefined);
});

Deno.test("grantOf() takes the first of two entries, as the host does", () => {
  assertEquals(grant({ users: ["alice"] }, { ...BOB, uid: 1002 }), undefined);
  assertEquals(grant({ groups: ["cage"] }, { ...BOB, gid: 801 }), undefined);
});

Deno.test("grantOf() takes 0 for an id as any other", () => {
  assertEquals(grant({ users: [0] }, { ...BOB, uid: 0 }), "user 0");
  assertEquals(grant({ groups: [0] }, { ...BOB, gid: 0 }), "group 0");
  assertEquals(grant({ users: [0], groups: [0] }), undefined);
});

Deno.test("grantOf() does not take a user's number for a group's", () => {
  assertEquals(grant({ users: [500, 501] }), undefined);
  assertEquals(grant({ groups: [1001] }), undefined);
});

Deno.test("grantOf() finds a group that the caller has, primary or not", () => {
  for (const ids of [{ gid: 800 }, { groups: [1, 800] }]) {
    const caller = { ...BOB, ...ids };
    assertEquals(grant({ groups: ["cage"] }, caller), "group cage");
    assertEquals(grant({ groups: [900, 800] }, caller), "group 800");
  }
});

Deno.test("grantOf() does not believe the member list of a group", () => {
  const passwd = `${PASSWD}bob:x:1001:500::/:/bin/sh\n`;
  const granted = { users: [], groups: ["cage"] };
  const policy = { ...DEFAULT_POLICY, granted };
  assertEquals(grantOf(policy, BOB, passwd, GROUP), undefined);
});

Deno.test("grantOf() grants nothing to names that the host does not have", () => {
  const names = ["old", "#old", "nobody", "__proto__", "constructor", "length"];
  for (const uid of [0, 1003, NaN]) {
    const caller = { uid, gid: uid, groups: [] };
    assertEquals(grant({ users: names, groups: names }, caller), undefined);
  }
});
