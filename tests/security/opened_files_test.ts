import { assert, assertEquals } from "@std/assert";
import { type Access, accessesOf } from "./support/accesses.ts";
import { faultOf, type Rules } from "./support/allowed.ts";
import {
  type Attack,
  attack,
  busyboxRoot,
  exists,
  type Person,
  type Result,
  run,
  trapsOf,
  whyNoProgram,
} from "./support/mod.ts";

const skip = whyNoProgram("strace");

/** What names, makes or changes files, and what changes whose rights count. */
const CALLS = "trace=%file,%process,%creds,fchdir,fsopen,fsconfig,fsmount," +
  "memfd_create,fchmod,fchown,ftruncate,fsetxattr,setns,unshare,bind,connect";

/** Launches `cage` under strace(1), and gives what it did to paths. */
async function trace(
  t: Attack,
  person: Person,
  args: string[],
  env: Record<string, string> = { HOME: person.home },
): Promise<{ result: Result; accesses: Access[] }> {
  const file = `${t.scratch}/trace`;
  // Root's strace keeps the setuid bit in force.
  const result = await run([
    ...["strace", "-f", "-y", "--decode-pids=pidns", "-s", "8192", "-o", file],
    ...["-e", CALLS, "-e", "signal=none", "-u", person.name],
    ...Object.entries(env).map(([name, value]) => `--env=${name}=${value}`),
    ...[t.cageFile, ...args],
  ], { cwd: person.home, clearEnv: true, env: { PATH: "/usr/bin:/bin" } });
  const text = await Deno.readTextFile(file);
  const accesses = accessesOf(text, {
    uid: person.uid,
    mapping: { root: person.uid, range: person.range },
    program: t.cageFile,
    command: "/bin/sh",
  });
  // A trace in which the binary did nothing would be as innocent.
  assert(accesses.some(({ path }) => path === "/proc/self/maps"), "No cage");
  assert(accesses.every(({ as }) => as.euid === 0 || as.euid === person.uid));
  return { result, accesses };
}

function faults(accesses: Access[], rules: Rules): string[] {
  return accesses.flatMap((access) => faultOf(access, rules) ?? []);
}

function rulesOf(t: Attack, { uid, home }: Person, named: string[]): Rules {
  const controlled = [home, "/tmp", "/var/tmp", "/dev/shm", "/home", "/root"];
  return {
    program: t.cageFile,
    uid,
    named,
    // The tests themselves are below one of those.
    controlled: controlled.filter((path) => !t.cageFile.startsWith(path)),
  };
}

const COMMAND = ["--", "/bin/sh", "-c", "echo inside"];

attack("Nothing of a hostile environment is opened as root", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const env = await trapsOf(person);
    const root = await t.root();
    const args = ["--ephemeral", "-l", root, ...COMMAND];
    const { accesses } = await trace(t, person, args, env);
    assertEquals(faults(accesses, rulesOf(t, person, [root])), []);
  }
}, { skip });

attack("With no HOME no home is looked for", async (t) => {
  const root = await t.root();
  await trapsOf(t.mallory);
  const args = ["--ephemeral", "-l", root, ...COMMAND];
  const { accesses } = await trace(t, t.mallory, args, {});
  assertEquals(faults(accesses, rulesOf(t, t.mallory, [root])), []);
}, { skip });

/** Everything that a path can be given for. */
async function allOptions(
  t: Attack,
  home: string,
): Promise<{ args: string[]; named: string[] }> {
  const root = await t.root();
  const named = {
    "-l": `${home}/lower`,
    "-U": `${home}/upper`,
    "-w": `${home}/work`,
    "-p": `${home}/pid`,
    "-i": `${home}/init`,
    "-v": `${home}/share`,
  };
  const [lower, share, script] = ["-l", "-v", "-i"] as const;
  await busyboxRoot(named[lower]);
  await Deno.mkdir(named[share]);
  await Deno.writeTextFile(named[script], "#!/bin/sh\necho prepared >/made\n");
  const args = Object.entries(named).flatMap(([option, path]) =>
    option === "-v" ? [option, `${path}:/mnt`] : [option, path]
  );
  return {
    args: [...args, "-l", root, ...COMMAND],
    named: [...Object.values(named), root],
  };
}

attack("Every path that is named is opened as the caller", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const { args, named } = await allOptions(t, person.home);
    await own(person);
    const { accesses } = await trace(t, person, args);
    assertEquals(faults(accesses, rulesOf(t, person, named)), []);
  }
}, { skip });

attack("Links at the end of named paths lead to nothing as root", async (t) => {
  const { args, named } = await allOptions(t, t.mallory.home);
  const secret = `${t.scratch}/secret`;
  await Deno.mkdir(secret, { mode: 0o700 });
  for (const path of named.filter((path) => path.startsWith(t.mallory.home))) {
    if (exists(path)) await Deno.remove(path, { recursive: true });
    await Deno.symlink(`${secret}/${path.split("/").at(-1)}`, path);
  }
  await own(t.mallory);
  const { accesses } = await trace(t, t.mallory, args);
  const rules = rulesOf(t, t.mallory, named);
  const theirs = { ...rules, controlled: [...rules.controlled, secret] };
  assertEquals(faults(accesses, theirs), []);
  assertEquals([...Deno.readDirSync(secret)], []);
}, { skip });

attack("What -G looks for is opened as the caller", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const { home } = person;
    const runtime = `${home}/run`;
    const sockets = ["wayland-0", "pulse/native", "pipewire-0"]
      .map((name) => `${runtime}/${name}`);
    await Deno.mkdir(`${runtime}/pulse`, { recursive: true });
    await Deno.writeTextFile(`${home}/.pulse-cookie`, "secret");
    using stack = new DisposableStack();
    for (const path of sockets) {
      stack.use(Deno.listen({ transport: "unix", path }));
    }
    await own(person);
    const root = await t.root();
    const { accesses, result } = await trace(t, person, [
      ...["-G", "--ephemeral", "-l", root, ...COMMAND],
    ], { HOME: home, DISPLAY: ":59", XDG_RUNTIME_DIR: runtime });
    assertEquals(result.status, 0);
    assert(accesses.some(({ path }) => path === sockets[0]));
    const named = [
      ...[root, runtime, "/tmp/.X11-unix/X59", `${home}/.Xauthority`],
      ...[`${home}/.config/pulse/cookie`, `${home}/.pulse-cookie`],
      // Of the host, for roots that have none.
      ...["/usr/share/fonts", "/usr/share/icons", "/usr/share/themes"],
      "/etc/fonts",
    ];
    assertEquals(faults(accesses, rulesOf(t, person, named)), []);
  }
}, { skip });

/** Makes everything at home the user's own, links themselves too. */
async function own({ uid, home }: Person): Promise<void> {
  await run(["chown", "-hR", `${uid}:${uid}`, home]);
}
