import { assert, assertEquals } from "@std/assert";
import {
  type CallerKind,
  type CheckedKernel,
  type CheckFacts,
  checkReport,
} from "../../src/check_report.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/policy.ts";

const KERNEL: CheckedKernel = {
  overlay: "descriptors",
  idmappedLayers: true,
  userNamespaces: true,
  maxUserNamespaces: 31123,
  seccomp: true,
  cgroupNamespaces: true,
};

const ALICE: CheckFacts = {
  kind: "user",
  name: "alice",
  ids: { uid: 1000, gid: 100, groups: [100, 27, 29] },
  subuids: [{ start: 100000, count: 65536 }],
  subgids: [{ start: 200000, count: 65536 }, { start: 5000, count: 1 }],
  program: "/usr/local/bin/cage",
  isSetuid: true,
  policyFile: "/etc/cage/policy.json",
  hasPolicyFile: true,
  policy: DEFAULT_POLICY,
  kernel: KERNEL,
  storage: "/var/lib/microcontainer/user/1000",
  state: "/run/microcontainer/user/1000",
};

/** What the report says about a subject, on one line. */
function about(
  subject: string,
  facts: Partial<CheckFacts>,
): string | undefined {
  const lines = checkReport({ ...ALICE, ...facts }).join("\n");
  const paragraphs = lines.replace(/\n {9}/g, " ").split("\n");
  const found = paragraphs.find((line) => line.startsWith(`${subject} `));
  return found?.slice(subject.length).trimStart();
}

const policy = (changes: Partial<Policy>) => ({
  policy: { ...DEFAULT_POLICY, ...changes },
});
const kernel = (changes: Partial<CheckedKernel>) => ({
  kernel: { ...KERNEL, ...changes },
});

Deno.test("checkReport() is a screen that reads as sentences", () => {
  assertEquals(checkReport(ALICE), [
    "caller   alice, user 1000, group 100, and groups 27, 29",
    'may      start containers with your own rights: "/usr/local/bin/cage" is setuid',
    '         root, and "/etc/cage/policy.json" grants you no more',
    "root     inside is you outside: what you cannot do there, it cannot",
    "ids      inside, 0 is you, and then come 100000-165535 of /etc/subuid for users,",
    "         200000-265535, 5000 of /etc/subgid for groups",
    'layers   below "/var/lib/microcontainer-root" belong to your ids inside, and',
    "         elsewhere to whom they do outside: the policy trusts the former",
    "volumes  come from wherever you can open: the policy names no directories",
    "limits   64 containers at a time, and 4 images of 16 GiB at most, by the policy",
    'storage  changes are in "/var/lib/microcontainer/user/1000", pid files in',
    '         "/run/microcontainer/user/1000"',
    'policy   is "/etc/cage/policy.json"',
    "kernel   has overlays of descriptors, idmapped layers, user namespaces (31123 at",
    "         most), filters of system calls, cgroup namespaces",
  ]);
});

Deno.test("checkReport() fits a screen of 24 lines, however much there is", () => {
  const many = Array.from({ length: 900 }, (_, index) => index + 1);
  const ranges = many.map((index) => ({ start: index * 1e6, count: 65536 }));
  const paths = many.map((index) => `/srv/roots/number-${index}`);
  const kinds: CallerKind[] = ["root", "granted", "user", "rootless"];
  for (const kind of kinds) {
    const lines = checkReport({
      ...ALICE,
      kind,
      ids: { uid: 1000, gid: 100, groups: many },
      subuids: ranges,
      subgids: ranges,
      ...policy({ trustedRoots: paths, volumes: paths }),
      kernel: {
        overlay: "mount",
        idmappedLayers: false,
        userNamespaces: false,
        seccomp: false,
        cgroupNamespaces: false,
      },
    });
    assert(lines.length <= 24, lines.join("\n"));
    for (const line of lines) assert(line.length <= 80, line);
  }
});

Deno.test("checkReport() says what each caller may do and why", () => {
  assertEquals(
    about("may", { kind: "root" }),
    "start containers as root of this machine: you are root",
  );
  assertEquals(
    about("may", { kind: "granted", grant: "group cage" }),
    'start containers as root of this machine: "/etc/cage/policy.json" ' +
      "grants it to group cage",
  );
  assertEquals(
    about("may", { kind: "rootless", isSetuid: false }),
    "start containers as the kernel lets everybody: the program " +
      '"/usr/local/bin/cage" has no rights to lend',
  );
});

Deno.test("checkReport() tells those who are root inside that they are", () => {
  const text = "inside is root of this machine with less to do, and with all " +
    "of it if --privileged is given";
  assertEquals(about("root", { kind: "root" }), text);
  assertEquals(about("root", { kind: "granted" }), text);
  const own = "inside is you outside: what you cannot do there, it cannot";
  assertEquals(about("root", { kind: "user" }), own);
  assertEquals(about("root", { kind: "rootless" }), own);
});

Deno.test("checkReport() tells root whether others can use the program", () => {
  const program = '"/usr/local/bin/cage"';
  assertEquals(
    about("program", { kind: "root" }),
    `${program} is setuid root, so that others can use it too`,
  );
  assertEquals(
    about("program", { kind: "root", isSetuid: false }),
    `${program} is not setuid root, so that nobody else can use it`,
  );
});

Deno.test("checkReport() says nothing of limits to those who have none", () => {
  const subjects = ["ids", "layers", "volumes", "limits", "storage"];
  const told = (kind: CallerKind) =>
    subjects.filter((subject) => about(subject, { kind }) !== undefined);
  assertEquals(told("root"), ["storage"]);
  assertEquals(told("granted"), ["storage"]);
  assertEquals(told("user"), subjects);
  assertEquals(told("rootless"), ["ids", "storage"]);
});

Deno.test("checkReport() tells the caller by what is known", () => {
  const ids = { uid: 7, gid: 8, groups: [] };
  assertEquals(about("caller", { name: undefined, ids }), "user 7, group 8");
  assertEquals(
    about("caller", { ids: { ...ids, groups: [8, 9] } }),
    "alice, user 7, group 8, and group 9",
  );
});

Deno.test("checkReport() tells how to get ranges, and which are missing", () => {
  const text = (files: string, name: string) =>
    `inside there is one, yours, as 0 or as -u says: you have no range in ` +
    `${files}: usermod --add-subuids 100000-165535 ` +
    `--add-subgids 100000-165535 ${name} gives more`;
  assertEquals(
    about("ids", { subuids: [], subgids: [] }),
    text("/etc/subuid and /etc/subgid", "alice"),
  );
  assertEquals(about("ids", { subuids: [] }), text("/etc/subuid", "alice"));
  assertEquals(
    about("ids", { subgids: [], name: undefined }),
    text("/etc/subgid", "1000"),
  );
});

Deno.test("checkReport() says why layers are not mapped", () => {
  assertEquals(
    about("layers", policy({ trustedRoots: [] })),
    "have the owners that they have outside: the policy trusts no directory " +
      "for more",
  );
  assertEquals(
    about("layers", kernel({ idmappedLayers: false })),
    "have the owners that they have outside, those that the policy trusts " +
      "too: the kernel has no idmapped layers, which take Linux 5.19",
  );
});

Deno.test("checkReport() says where volumes may come from", () => {
  assertEquals(
    about("volumes", policy({ volumes: [] })),
    "are not allowed by the policy",
  );
  assertEquals(
    about("volumes", policy({ volumes: ["/home", "/srv/a b"] })),
    'come from below "/home", "/srv/a b", where you can open them: the ' +
      "policy names no other directory",
  );
});

Deno.test("checkReport() writes limits as people do", () => {
  const limits = (instances: number, images: number, imageBytes: number) =>
    about("limits", policy({ limits: { instances, images, imageBytes } }));
  assertEquals(
    limits(1, 1, 3 << 20),
    "1 container at a time, and 1 image of 3 MiB at most, by the policy",
  );
  assertEquals(
    limits(0, 0, 5),
    "no containers at a time, and no images, by the policy",
  );
  const sizes: [number, string][] = [
    [1, "1 byte"],
    [1023, "1023 bytes"],
    [1024, "1 KiB"],
    [1 << 20, "1 MiB"],
    [1025 * 2 ** 20, "1025 MiB"],
    [2 ** 40, "1024 GiB"],
    [2 ** 53 - 1, "9007199254740991 bytes"],
    [0, "no bytes"],
  ];
  for (const [bytes, text] of sizes) {
    assertEquals(
      limits(2, 2, bytes),
      `2 containers at a time, and 2 images of ${text} at most, by the policy`,
    );
  }
});

Deno.test("checkReport() says which policy holds", () => {
  assertEquals(
    about("policy", { hasPolicyFile: false }),
    'is the default: there is no "/etc/cage/policy.json"',
  );
});

Deno.test("checkReport() says what the kernel lacks and what follows", () => {
  const others = "idmapped layers, user namespaces (31123 at most), filters " +
    "of system calls, cgroup namespaces";
  assertEquals(
    about("kernel", kernel({ overlay: "paths" })),
    `has overlays of paths, ${others}`,
  );
  assertEquals(
    about("kernel", kernel({ overlay: "mount" })),
    `has overlays by mount(2) alone, ${others}`,
  );
  const missing = kernel({
    idmappedLayers: false,
    userNamespaces: false,
    maxUserNamespaces: undefined,
    seccomp: false,
    cgroupNamespaces: false,
  });
  assertEquals(
    about("kernel", missing),
    "has overlays of descriptors; it has no idmapped layers; it has no user " +
      "namespaces, without which only root can start containers; it has no " +
      "filters of system calls, without which containers start with " +
      "--privileged only; it has no cgroup namespaces",
  );
});

Deno.test("checkReport() counts user namespaces that are limited to none", () => {
  const text = about("kernel", kernel({ maxUserNamespaces: 0 }));
  assert(text?.includes("it has no user namespaces (0 at most), "), text);
});

Deno.test("checkReport() keeps paths from writing lines of their own", () => {
  const lines = checkReport({ ...ALICE, program: "/a\nroot     is yours" });
  assert(lines.every((line) => !line.startsWith("root     is")));
});

Deno.test("checkReport() tells a rootless caller why there is no container", () => {
  const refusal = "Cannot create a container without privileges: x: do y";
  assertEquals(
    about("may", { kind: "rootless", refusal }),
    `not start containers: ${refusal}`,
  );
});

Deno.test("checkReport() names once what of the host can only be read", () => {
  const readOnly = ['"/a" can only be read: b', '"/c" can only be read: d'];
  assertEquals(
    about("host", { kind: "rootless", readOnly }),
    readOnly.join("; "),
  );
  assertEquals(about("host", { kind: "rootless", readOnly: [] }), undefined);
  assertEquals(about("host", { kind: "user" }), undefined);
});
