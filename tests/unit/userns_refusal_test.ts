import { assertEquals } from "@std/assert";
import { ERRNO } from "../../ffi/errno.ts";
import { findNamespaceReadings } from "../../src/find_userns.ts";
import {
  hiddenOfProc,
  isInChroot,
  type NamespaceReadings,
  procRefusal,
  type Refused,
  usernsRefusal,
} from "../../src/userns_refusal.ts";
import { CHECKOUT, importFlag } from "../e2e/support/words.ts";

const NONE: NamespaceReadings = {
  zeroLimits: [],
  isChroot: false,
  isFiltered: false,
  isNested: false,
};

const INSTALL = "install the set-user-ID program with sudo make install";
const FILTER =
  "the container around this one forbids it by its filter of system calls: " +
  "start that one with --privileged, or with --security-opt " +
  "seccomp=unconfined (podman, docker)";
const UBUNTU = "kernel.apparmor_restrict_unprivileged_userns is 1: have root " +
  "set it to 0 with sysctl, or give this program a profile of AppArmor with " +
  `"userns,", or ${INSTALL}`;
const NOT_THERE = "this kernel was built without user namespaces or others: " +
  `have root boot one with CONFIG_USER_NS, or ${INSTALL}`;
const PROFILE = 'AppArmor\'s profile "docker-default" forbids it: change ' +
  "that one, or if it is of the container around this one start that with " +
  "--privileged, or with --security-opt apparmor=unconfined (podman, docker)";
const DEBIAN = "kernel.unprivileged_userns_clone is 0: have root set it to 1 " +
  `with sysctl, or ${INSTALL}`;
const UNKNOWN = (reason: string) =>
  `${reason}, by a chroot or a security module such as SELinux: ask who ` +
  `administers this machine, or ${INSTALL}`;

type Case = [
  what: Refused["what"],
  error: keyof typeof ERRNO,
  readings: Partial<NamespaceReadings>,
  end: string,
];

const USERS = "user.max_user_namespaces";
const MOUNTS = "user.max_mnt_namespaces";

const CASES: Case[] = [
  ["clone", "EPERM", { unprivilegedClone: 0 }, DEBIAN],
  ["clone", "EPERM", { unprivilegedClone: 0, isFiltered: true }, DEBIAN],
  ["clone", "EPERM", { unprivilegedClone: 1, isFiltered: true }, FILTER],
  ["clone", "ENOSYS", { isFiltered: true }, FILTER],
  ["clone", "ENOSYS", {}, NOT_THERE],
  ["clone", "EINVAL", {}, NOT_THERE],
  [
    "clone",
    "EPERM",
    { isChroot: true, isFiltered: true },
    "the kernel makes no user namespace in a chroot: run it outside",
  ],
  ["clone", "EPERM", {}, UNKNOWN("operation not permitted")],
  ["clone", "EACCES", {}, UNKNOWN("permission denied")],
  ["clone", "EACCES", { apparmorRestricts: 1 }, UBUNTU],
  ["clone", "EACCES", { apparmorRestricts: 0 }, UNKNOWN("permission denied")],
  ["clone", "EPERM", { apparmorRestricts: 1 }, UBUNTU],
  ["clone", "EACCES", { profile: "docker-default" }, PROFILE],
  [
    "clone",
    "EPERM",
    { isNested: true },
    "operation not permitted in the container around this one: start that " +
    "one with --privileged",
  ],
  [
    "clone",
    "EUSERS",
    {},
    "user namespaces are at most 32 deep: run it less deep inside other " +
    "containers",
  ],
  [
    "clone",
    "ENOSPC",
    { zeroLimits: [USERS] },
    `${USERS} is 0: have root raise it with sysctl, or ${INSTALL}`,
  ],
  [
    "clone",
    "ENOSPC",
    { zeroLimits: [MOUNTS] },
    `${MOUNTS} is 0: have root raise it with sysctl`,
  ],
  [
    "clone",
    "ENOSPC",
    { zeroLimits: [USERS, MOUNTS] },
    `${USERS} and ${MOUNTS} are 0: have root raise them with sysctl, or ` +
    INSTALL,
  ],
  [
    "clone",
    "ENOSPC",
    {},
    "there are too many namespaces, or user namespaces 32 deep: stop some, " +
    "or have root raise the limits user.max_…_namespaces",
  ],
  ["clone", "ENOMEM", {}, "cannot allocate memory: see clone(2)"],
  ["map", "EPERM", { apparmorRestricts: 1 }, UBUNTU],
  ["mount", "EACCES", { apparmorRestricts: 1 }, UBUNTU],
  ["mount", "EPERM", { isFiltered: true }, FILTER],
  ["mount", "EACCES", { isFiltered: true, profile: "docker-default" }, PROFILE],
  ["map", "EPERM", { isFiltered: true }, UNKNOWN("operation not permitted")],
  ["mount", "EBUSY", {}, "device or resource busy: see user_namespaces(7)"],
];

Deno.test("usernsRefusal() names the setting and the alternative", () => {
  for (const [what, error, readings, end] of CASES) {
    assertEquals(
      usernsRefusal({ what, errno: ERRNO[error] }, { ...NONE, ...readings }),
      `Cannot create a container without privileges: ${end}`,
    );
  }
});

const MOUNTINFO = `\
79 1 254:0 / / rw,relatime - ext4 /dev/vda rw
80 79 0:5 / /proc rw,nosuid shared:5 - proc proc rw
81 80 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
82 80 0:31 /null /proc/kcore rw - devtmpfs udev rw
83 80 0:5 /sys /proc/sys ro - proc proc rw
`;

Deno.test("hiddenOfProc() lists what covers something", () => {
  assertEquals(hiddenOfProc(MOUNTINFO), ["/proc/kcore", "/proc/sys"]);
  assertEquals(hiddenOfProc(""), []);
});

Deno.test("procRefusal() names what is hidden, if that is known", () => {
  const start = 'Cannot mount proc on "/proc": the container around this one ' +
    "hides parts of its own";
  const end = ": start that one with --privileged, or with --security-opt " +
    "unmask=ALL (podman) or --security-opt systempaths=unconfined (docker)";
  assertEquals(procRefusal([]), start + end);
  assertEquals(
    procRefusal(["/proc/kcore", "/proc/sys"]),
    `${start}, such as "/proc/kcore"${end}`,
  );
});

Deno.test("isInChroot() misses a mount at the root", () => {
  assertEquals(isInChroot(MOUNTINFO), false);
  assertEquals(isInChroot(MOUNTINFO.replace(/.*\n/, "")), true);
});

/** Prints what clone(2) gave, and what this machine says of it. */
const REPORT = `
const { Block } = await import(Deno.args[0] + "/ffi/block.ts");
const { findNamespaceReadings } =
  await import(Deno.args[0] + "/src/find_userns.ts");
const block = new Block();
block.append({ steps: [] });
let errno = 0;
try { block.start(0x10020000); } catch (error) { errno = error.errno; }
console.log(JSON.stringify({ errno, readings: findNamespaceReadings() }));
`;

/** As root of a user namespace, whose limits are its own: namespaces(7). */
async function reportWhere(script: string) {
  const report = [
    ...[Deno.execPath(), "eval", "--no-lock", importFlag()],
    ...[REPORT, CHECKOUT],
  ];
  const { stdout, stderr, success } = await new Deno.Command("unshare", {
    args: ["-Ur", "sh", "-c", `${script}\nexec "$@"`, "sh", ...report],
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)) as {
    errno: number;
    readings: NamespaceReadings;
  };
}

const CAN_TRY = new Deno.Command("unshare", {
  args: ["-Ur", "true"],
  stderr: "null",
}).outputSync().success;

for (const kind of ["user", "mnt"]) {
  Deno.test({
    name: `clone() says ENOSPC where user.max_${kind}_namespaces is 0`,
    ignore: !CAN_TRY,
    fn: async () => {
      const file = `/proc/sys/user/max_${kind}_namespaces`;
      const { errno, readings } = await reportWhere(`echo 0 >${file}`);
      assertEquals(errno, ERRNO.ENOSPC);
      assertEquals(readings.zeroLimits, [`user.max_${kind}_namespaces`]);
      assertEquals(readings.isNested, true);
    },
  });
}

Deno.test({
  name: "clone() makes a user namespace in another one",
  ignore: !CAN_TRY,
  fn: async () => {
    const { errno, readings } = await reportWhere(":");
    assertEquals([errno, readings.zeroLimits], [0, []]);
  },
});

Deno.test("findNamespaceReadings() sees no chroot here", () => {
  assertEquals(findNamespaceReadings().isChroot, false);
});
