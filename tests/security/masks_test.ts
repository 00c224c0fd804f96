import { assertEquals, assertMatch } from "@std/assert";
import {
  assertKept,
  type Attack,
  attack,
  byEach,
  type Caller,
  exchange,
  own,
  type Prepared,
  sh,
  stopExchange,
  whyNoTerminal,
} from "./support/mod.ts";

/** Launches of each race and caller. */
const RACES = 40;

/**
 * Whatever of `/proc` reaches the host is covered where the container has it,
 * and it is nowhere else. What can be set is seen on the host.
 */
const MASKED = `
exec 2>/tmp/errors
grep -q ' /sys /proc/sys ro,' /proc/self/mountinfo || echo "no mask"
grep -q '^proc /proc proc ' /proc/mounts || echo "no proc"
for place in /proc /evil /proc.trap /in /dev; do
  for name in sys/kernel/core_pattern console null pts/0 pts/1; do
    [ -e "$place/$name" ] && echo core.known >"$place/$name"
  done
  [ -e "$place/sysrq-trigger" ] && ( : >"$place/sysrq-trigger" ) &&
    echo "opened $place/sysrq-trigger"
  for name in keys kcore timer_list; do
    [ -z "$(head -c 1 "$place/$name")" ] || echo "read $place/$name"
  done
done
echo over`;

const SETTING = "/proc/sys/kernel/core_pattern";

/** Launches while names are exchanged, and has nothing of the host set. */
async function raceMasks(
  t: Attack,
  lay: (prepared: Prepared) => Promise<[string, string][]>,
  launch: (caller: Caller, prepared: Prepared, round: number) => Promise<void>,
): Promise<void> {
  const before = Deno.readTextFileSync(SETTING);
  let pairs: [string, string][] | undefined;
  try {
    await byEach(t, async (caller, prepared) => {
      pairs ??= await lay(prepared);
      await own(t.mallory);
      const swapper = await exchange(t, t.mallory, pairs);
      for (let count = 0; count < RACES; count++) {
        await launch(caller, prepared, count);
      }
      await stopExchange(swapper);
      assertEquals(Deno.readTextFileSync(SETTING), before, caller.name);
    });
  } finally {
    Deno.writeTextFileSync(SETTING, before);
  }
}

attack(
  "CVE-2023-27561: no /proc that is a link escapes the masks",
  (t) =>
    raceMasks(
      t,
      async ({ root }) => {
        await Deno.mkdir(`${root}/evil`);
        await Deno.symlink("evil", `${root}/proc.trap`);
        return [[`${root}/proc`, `${root}/proc.trap`]];
      },
      async (caller, { root }) => {
        const args = ["--ephemeral", "-l", root, ...sh(MASKED)];
        assertKept(await caller.cage(args), caller);
      },
    ),
);

/** Devices that are links to settings of the kernel, as soon as possible. */
async function linkDevices({ root, share }: Prepared) {
  const pairs: [string, string][] = [];
  for (const directory of [`${root}/dev`, share]) {
    await Deno.mkdir(`${directory}/pts`, { recursive: true });
    for (const name of ["null", "console", "pts/0", "pts/1"]) {
      const path = `${directory}/${name}`;
      await Deno.writeTextFile(path, "");
      await Deno.symlink(SETTING, `${path}.trap`);
      pairs.push([path, `${path}.trap`]);
    }
  }
  return pairs;
}

attack(
  "CVE-2025-31133: no /dev/null that is a link is a mask",
  (t) =>
    raceMasks(t, linkDevices, async (caller, { root, share }, round) => {
      const volume = round % 2 === 0 ? [] : ["-v", `${share}:/dev`];
      const args = ["--ephemeral", "-l", root, ...volume, ...sh(MASKED)];
      assertKept(await caller.cage(args), caller);
    }),
);

attack(
  "CVE-2025-52565: no /dev/console that is a link is mounted on",
  (t) =>
    raceMasks(t, linkDevices, async (caller, { root, share }, round) => {
      const volume = round % 2 === 0 ? [] : ["-v", `${share}:/dev`];
      const script = `${MASKED}; stat -c 'type %t' /dev/console`;
      const child = caller.onTerminal([
        ...["--ephemeral", "-l", root, ...volume, ...sh(script)],
      ]);
      const { status, stdout } = await child.result;
      // The major number of pseudo terminals, Linux device list: 136.
      const type = volume.length > 0 ? "0" : "88";
      const whole = new RegExp(
        `^(core.known\\r\\n)*over\\r\\ntype ${type}\\r\\n$`,
      );
      const what = `${caller.name}: ${stdout}`;
      if (status === 125) assertMatch(stdout, /^cage: Cannot [^\n]+\n$/, what);
      else assertMatch(stdout, whole, what);
    }),
  { skip: whyNoTerminal() },
);
