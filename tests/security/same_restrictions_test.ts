import { assertEquals, assertMatch } from "@std/assert";
import { type Attack, attack, type Person, sh } from "./support/mod.ts";

/** What is to be the same for a command that started and one that attached. */
const FIELDS = "^(Uid|Gid|Groups|Cap[A-Z][a-z]+|NoNewPrivs|Seccomp|" +
  "Seccomp_filters|SigBlk|SigIgn|Umask|Speculation_Store_Bypass):";

const LOOK = `grep -E '${FIELDS}' /proc/self/status
  cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
  for name in user mnt pid ipc uts cgroup net; do
    readlink "/proc/self/ns/$name"
  done
  cat /proc/self/mountinfo; readlink /proc/self/cwd; cat /proc/self/cgroup
  cat /proc/self/oom_score_adj /proc/self/coredump_filter /proc/self/limits`;

/** Looks as the command that starts, and as one that attaches meanwhile. */
async function compare(
  t: Attack,
  person: Person,
  options: string[],
): Promise<string> {
  const args = [
    ...["--ephemeral", "-n", "same", "-l", await t.root(), ...options],
  ];
  const mark = "echo over; cat >/dev/null";
  const child = t.spawnCage(person, [...args, ...sh(`${LOOK}; ${mark}`)]);
  await child.seen("over");
  const started = child.output.replace(/over\n$/, "");
  const attached = await t.cage(person, [...args, ...sh(LOOK)]);
  assertEquals(attached.stderr, "");
  assertEquals(attached.stdout, started, options.join(" "));
  await child.end();
  return started;
}

attack("Attaching gives the same restrictions as starting", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    for (
      const options of [
        ...[[], ["--no-new-privs"], ["-u", "0"], ["-c", "/tmp"]],
        ...[["-v", `${person.home}:/mnt`], ["-g", "0"]],
      ]
    ) {
      const status = await compare(t, person, options);
      assertMatch(status, /^Seccomp:\t2$/m);
      const isSet = options[0] === "--no-new-privs" ? "1" : "0";
      assertMatch(status, new RegExp(`^NoNewPrivs:\\t${isSet}$`, "m"));
      // CAP_SYS_ADMIN is 21, CAP_SYS_PTRACE 19, CAP_NET_ADMIN 12.
      const bounding = BigInt(`0x${status.match(/^CapBnd:\t(\w+)$/m)![1]}`);
      for (const bit of [12n, 16n, 17n, 19n, 21n, 22n, 39n]) {
        assertEquals(bounding >> bit & 1n, 0n, `${bit}`);
      }
    }
  }
});

attack(
  "Attaching with fewer restrictions than at the start is refused",
  async (t) => {
    const args = ["--ephemeral", "-n", "same", "-l", await t.root()];
    const child = t.spawnCage(t.mallory, [
      ...[...args, "--no-new-privs", ...sh("echo ready; cat >/dev/null")],
    ]);
    await child.seen("ready");
    const look = sh(
      "grep -E '^(NoNewPrivs|CapBnd|Seccomp):' /proc/self/status",
    );
    const { stdout } = await t.cage(t.mallory, [...args, ...look]);
    if (stdout !== "") assertMatch(stdout, /^NoNewPrivs:\t1$/m);
    const { status } = await t.cage(t.mallory, [
      ...[...args, "--privileged", ...look],
    ]);
    assertEquals(status, 125);
    await child.end();
  },
);

attack(
  "CVE-2019-5736: what enters cannot be had from an attached command",
  async (t) => {
    const args = ["--ephemeral", "-n", "same", "-l", await t.root()];
    const child = t.spawnCage(t.mallory, [
      ...[...args, ...sh("echo ready; cat >/dev/null")],
    ]);
    await child.seen("ready");
    const script = `while :; do
      for file in /proc/[0-9]*; do
        exe=$(readlink "$file/exe") 2>/dev/null || continue
        case "$exe" in */cage|*deno*) echo "found $exe" ;; esac
        ( : >"$file/exe" ) 2>/dev/null && echo "wrote $exe"
        ls "$file/fd" 2>/dev/null | while read -r number; do
          case "$(readlink "$file/fd/$number")" in
            */cage|*secret*|*microcontainer*) echo "held $number" ;;
          esac
        done
      done
    done`;
    const looker = t.spawnCage(t.mallory, [...args, ...sh(script)]);
    for (let round = 0; round < 40; round++) {
      await t.cage(t.mallory, [...args, ...sh("true")]);
    }
    looker.kill("SIGTERM");
    const { stdout } = await looker.result;
    assertEquals(stdout, "");
    await child.end();
  },
);
