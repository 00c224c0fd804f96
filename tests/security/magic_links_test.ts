import { assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack,
  busyboxRoot,
  exists,
  filesBelow,
  output,
  sh,
} from "./support/mod.ts";

/** A process of root's, whose links in `/proc` lead to what is root's. */
async function rootsProcess(t: Attack) {
  const secret = `${t.scratch}/secret`;
  await busyboxRoot(secret);
  await Deno.writeTextFile(`${secret}/file`, "secret\n");
  await Deno.writeTextFile(`${secret}/script`, "#!/bin/sh\necho secret\n");
  await Deno.chmod(secret, 0o700);
  const child = t.spawnAsRoot(["/bin/sh", "-c", "echo ready; cat"], secret);
  await child.seen("ready");
  return { child, secret };
}

/** Options that take a path, with what would show that it was followed. */
function options(path: string, home: string): string[][] {
  const upper = ["-U", `${home}/upper`, "-w", `${home}/work`];
  return [
    ["-l", path],
    ["-l", `${path}/`, "-l", path],
    ["-v", `${path}:/mnt`],
    ["-v", `${path}/file:/mnt`],
    ["-U", path, "-w", `${home}/work`],
    ["-U", `${path}/upper`, "-w", `${path}/work`],
    [...upper.slice(0, 2), "-w", path],
    ["-a", path],
    ["-a", `${path}/app`],
    ["-p", `${path}/pid`],
    ["-i", `${path}/script`],
    ["-v", `${path}/made:/mnt`],
  ];
}

attack("Links of root's processes in /proc lead nowhere", async (t) => {
  const { child, secret } = await rootsProcess(t);
  const before = await filesBelow(secret);
  const { home } = t.mallory;
  const paths = [
    ...[`/proc/${child.pid}/cwd`, `/proc/${child.pid}/root${secret}`],
    `/proc/${child.pid}/task/${child.pid}/cwd`,
    `${home}/link`,
  ];
  await t.sh(t.mallory, `ln -s /proc/${child.pid}/cwd link`);
  for (const path of paths) {
    for (const words of options(path, home)) {
      const root = words.includes("-l") ? [] : ["-l", await t.root()];
      const { status, stdout, stderr } = await t.cage(t.mallory, [
        ...["-n", "links", ...root, ...words],
        ...sh("cat /file /mnt/file /mnt 2>/dev/null"),
      ]);
      const what = `${words.join(" ")}: ${stderr}`;
      assertEquals([status, stdout.includes("secret")], [125, false], what);
      assertEquals(await filesBelow(secret), before, what);
    }
  }
  await child.end();
});

attack("Links of one's own descriptors open nothing more", async (t) => {
  const { child, secret } = await rootsProcess(t);
  const before = await filesBelow(secret);
  // A descriptor that root gave away, as sudo's or a server's may be.
  const script = 'exec 5<"$1"; shift; exec "$@"';
  for (
    const path of ["/proc/self/fd/5", "/dev/fd/5", "/proc/thread-self/fd/5"]
  ) {
    for (const words of options(path, t.mallory.home)) {
      // An init script may come by a descriptor that the user can read.
      if (words[0] === "-i") continue;
      const root = words.includes("-l") ? [] : ["-l", await t.root()];
      const inside = sh("cat /file /mnt/file 2>/dev/null; echo >/written");
      const { stdout } = await t.runGiven(t.mallory, script, secret, [
        ...[t.cageFile, "-n", "links", ...root, ...words, ...inside],
      ]);
      assertEquals(stdout.includes("secret"), false, words.join(" "));
      assertEquals(await filesBelow(secret), before, words.join(" "));
    }
  }
  await child.end();
});

attack("Links of cage's own descriptors open nothing", async (t) => {
  const root = await t.root();
  for (let number = 0; number < 32; number++) {
    for (const way of ["/proc/self/fd", "/dev/fd"]) {
      const { status, stdout, stderr } = await t.cage(t.mallory, [
        ...["-n", "links", "-l", root, "-v", `${way}/${number}:/mnt`],
        ...sh("echo inside"),
      ]);
      const what = `${way}/${number}: ${stderr}`;
      assertEquals([status, stdout], [125, ""], what);
      // Where there is one, and where there is none.
      assertMatch(stderr, /: (too many levels|no such file)/, what);
    }
  }
});

attack("-i reads what the user can read, and nothing else", async (t) => {
  const { child, secret } = await rootsProcess(t);
  for (
    const path of [
      ...["/etc/shadow", `${secret}/script`, `/proc/${child.pid}/cwd/script`],
      ...[`/proc/${child.pid}/environ`, "/proc/1/environ", "/dev/mem"],
      ...["/proc/kcore", "/dev/vda", "/dev/sda", "/proc/self/mem"],
    ]
  ) {
    const { status, stdout, stderr } = await t.cage(t.mallory, [
      ...["--ephemeral", "-l", await t.root(), "-i", path, ...sh("echo x")],
    ]);
    assertEquals([status, stdout], [125, ""], `${path}: ${stderr}`);
    // What cannot be read is not told either.
    assertEquals(/root:|echo/.test(stderr), false, stderr);
  }
  await child.end();
});

attack("CVE-2024-21626: -c is no directory of the host", async (t) => {
  const { child } = await rootsProcess(t);
  await t.sh(t.mallory, "mkdir upper work");
  const paths = [
    ...[`/proc/${child.pid}/cwd`, "/proc/self/fd/250", "/proc/1/root/../.."],
    ...["/proc/self/fd/3", "/proc/self/fd/8", "/proc/self/cwd/../../.."],
  ];
  for (const number of Array.from({ length: 60 }, (_, index) => index)) {
    paths.push(`/proc/self/fd/${number}`);
  }
  const root = await t.root();
  for (const path of paths) {
    // A descriptor of the host that is still open.
    const { stdout } = await t.cage(t.mallory, [
      ...["--ephemeral", "-l", root, "-c", path],
      ...sh(
        "ls ../../../../../../var/tmp ../cagesec 2>/dev/null; " +
          "cat ../../../../etc/hostname ./file 2>/dev/null",
      ),
    ]);
    assertEquals(/secret|cage-e2e/.test(stdout), false, `${path}: ${stdout}`);
  }
  await child.end();
});

attack(
  "Layers of another user's private directories are refused",
  async (t) => {
    await t.sh(t.plain, "mkdir app; echo secret >app/file; chmod 700 .");
    for (const words of options(`${t.plain.home}/app`, t.mallory.home)) {
      const root = words.includes("-l") ? [] : ["-l", await t.root()];
      const { status, stdout } = await t.cage(t.mallory, [
        ...["-n", "other", ...root, ...words, ...sh("cat /file /mnt/file")],
      ]);
      assertEquals([status, stdout], [125, ""], words.join(" "));
    }
    const list = await output(["find", t.plain.home, "-printf", "%P %U\n"]);
    assertEquals(list.includes(`${t.mallory.uid}`), false, list);
  },
);

attack("--reset removes nothing that the user could not", async (t) => {
  const { child, secret } = await rootsProcess(t);
  const before = await filesBelow(secret);
  await t.sh(
    t.mallory,
    `ln -s '${secret}' link; mkdir app app/upper app/work
    ln -s '${secret}' app/upper/link; ln -s /proc/${child.pid}/cwd proc`,
  );
  const { home } = t.mallory;
  // What everybody can open, in a directory in which everybody can make files.
  const roots = `${t.scratch}/roots`;
  for (const name of ["upper", "work"]) {
    await Deno.mkdir(`${roots}/${name}`, { recursive: true });
    await Deno.writeTextFile(`${roots}/${name}/file`, "of root\n");
  }
  await Deno.chmod(roots, 0o1777);
  // What everybody could change, if they could get there.
  await Deno.mkdir(`${roots}/closed/open`, { recursive: true });
  await output(["cp", "-a", `${roots}/upper`, `${roots}/closed/open/upper`]);
  await output(["cp", "-a", `${roots}/work`, `${roots}/closed/open/work`]);
  await output(["chmod", "-R", "a+rwX", `${roots}/closed/open`]);
  await Deno.chmod(`${roots}/closed`, 0o700);
  const open = await filesBelow(roots);
  for (
    const words of [
      ["-a", roots],
      ["-a", `${roots}/closed/open`],
      ["-U", `${roots}/upper`, "-w", `${roots}/work`],
      ...[["-a", secret], ["-a", `${home}/link`], ["-a", `${home}/proc`]],
      // Not "/": the machine may have a /work.
      ...[["-a", `${home}/app`], ["-a", "/etc"], ["-n", "../.."]],
      ...[["-U", `${home}/link`], ["-U", secret, "-w", secret]],
    ]
  ) {
    await t.cage(t.mallory, ["--reset", ...words]);
    assertEquals(await filesBelow(secret), before, words.join(" "));
    assertEquals(await filesBelow(roots), open, words.join(" "));
    assertEquals(exists("/etc/passwd"), true);
  }
  await child.end();
});
