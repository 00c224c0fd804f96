import { assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { type Context, STATE_DIRECTORY, test } from "./support/mod.ts";

const PATH = "PATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin:" +
  "/usr/local/sbin";

/** What the caller has set and must not come in. */
const HOSTILE = {
  LD_PRELOAD: "",
  LC_ALL: "C",
  HOME: "/elsewhere",
  USER: "somebody",
  SHELL: "/elsewhere/sh",
  E2E_SECRET: "secret",
  TERM: "xterm-256color",
  LANG: "de_DE.UTF-8",
};

/** What a user keeps is at home otherwise. */
const PLACES = { XDG_DATA_HOME: dirname(STATE_DIRECTORY) };

const ROOT = ["HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh"];
const ALICE = [
  ...["HOME=/home/alice", "USER=alice", "LOGNAME=alice", "SHELL=/bin/ash"],
];

/** Gives the whole environment of a command, in order of the alphabet. */
async function environment(
  t: Context,
  options: readonly string[],
  env: Readonly<Record<string, string>> = HOSTILE,
): Promise<string[]> {
  const { status, stdout, stderr } = await t.cage([...options, "env", "-0"], {
    env: { ...PLACES, ...env },
  });
  assertEquals([status, stderr], [0, ""]);
  return stdout.split("\0").slice(0, -1).sort();
}

test("cage gives a command a clean environment", async (t) => {
  const base = [PATH, "TERM=xterm-256color", "LANG=de_DE.UTF-8"];
  assertEquals(await environment(t, []), [...base, ...ROOT].sort());
  assertEquals(
    await environment(t, ["-u", "alice"]),
    [...base, ...ALICE].sort(),
  );
});

test("cage has a TERM and a LANG for a caller without", async (t) => {
  const env = { TERM: "", LANG: "" };
  const found = await environment(t, [], env);
  assertEquals(found, [PATH, "TERM=vt100", "LANG=C", ...ROOT].sort());
});

test("cage falls back where a user's entry says nothing", async (t) => {
  const base = [PATH, "TERM=xterm-256color", "LANG=de_DE.UTF-8"];
  const home = ["HOME=/tmp/.home", "SHELL=/bin/sh"];
  assertEquals(
    await environment(t, ["-u", "bare"]),
    [...base, ...home, "USER=bare", "LOGNAME=bare"].sort(),
  );
  assertEquals(await environment(t, ["-u", "4242"]), [...base, ...home].sort());
});

test("cage knows root where there is no /etc/passwd", async (t) => {
  Deno.removeSync(`${await t.root()}/etc/passwd`);
  const base = [PATH, "TERM=xterm-256color", "LANG=de_DE.UTF-8"];
  assertEquals(await environment(t, []), [...base, ...ROOT].sort());
});

test("cage -e adds variables, the last value of a key winning", async (t) => {
  const options = ["A=1", "PATH=/x:/bin", "A=2", "HOME=", "B=a=b c\nd", "A=3"];
  assertEquals(
    await environment(t, options.flatMap((text) => ["-e", text])),
    [
      ...["PATH=/x:/bin", "TERM=xterm-256color", "LANG=de_DE.UTF-8", "HOME="],
      ...["USER=root", "LOGNAME=root", "SHELL=/bin/sh", "A=3", "B=a=b c\nd"],
    ].sort(),
  );
});

test("cage -e keeps any characters", async (t) => {
  const odd = ["ODD key=x", "ü=日😀", "__proto__=1", "Q='\"$HOME`id`\\n"];
  const found = await environment(t, odd.flatMap((text) => ["-e", text]));
  assertEquals(odd.filter((text) => !found.includes(text)), []);
});
