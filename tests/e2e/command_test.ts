import { assertEquals, assertMatch } from "@std/assert";
import {
  afterMounting,
  cage,
  type Context,
  run,
  sh,
  test,
  whyNoProgram,
} from "./support/mod.ts";
import { cageWords } from "./support/mod.ts";

/** Puts a script into the root that says where it is. */
async function addProgram(
  t: Context,
  path: string,
  text = `#!/bin/sh\necho ${path}\n`,
  mode = 0o755,
): Promise<void> {
  const root = await t.root();
  const directory = path.slice(0, path.lastIndexOf("/"));
  await Deno.mkdir(`${root}${directory}`, { recursive: true });
  await Deno.writeTextFile(`${root}${path}`, text);
  await Deno.chmod(`${root}${path}`, mode);
}

test("cage searches PATH inside, in order", async (t) => {
  await addProgram(t, "/usr/local/bin/found");
  await addProgram(t, "/usr/bin/found");
  assertEquals((await t.cage(["found"])).stdout, "/usr/bin/found\n");
  const path = ["-e", "PATH=/nowhere:/usr/local/bin:/usr/bin"];
  assertEquals(
    (await t.cage([...path, "found"])).stdout,
    [
      "/usr/local/bin/found",
      "",
    ].join("\n"),
  );
});

test("cage goes on in PATH after a file that cannot be run", async (t) => {
  await addProgram(t, "/one/found", "", 0o644);
  await addProgram(t, "/two/found");
  const { status, stdout } = await t.cage([
    ...["-e", "PATH=/one:/etc/passwd:/two", "found"],
  ]);
  assertEquals([status, stdout], [0, "/two/found\n"]);
});

test("cage runs a path as it is, from the current directory", async (t) => {
  await addProgram(t, "/srv/tool");
  for (const word of ["/srv/tool", "./tool", "../srv/tool"]) {
    const { status, stdout } = await t.cage(["-c", "/srv", word]);
    assertEquals([status, stdout], [0, "/srv/tool\n"]);
  }
});

test("cage ends with 127 where there is no command", async (t) => {
  const words = ["nowhere", "/nowhere", "./nowhere", "/bin/sh/x", ""];
  for (const word of words) {
    const { status, stdout, stderr } = await t.cage(["--", word]);
    assertEquals([status, stdout], [127, ""], word);
    assertMatch(stderr, /^cage: [^\n]+\n$/);
  }
});

test("cage ends with 126 where a command cannot be run", async (t) => {
  await addProgram(t, "/srv/plain", "", 0o644);
  await addProgram(t, "/srv/broken", "\x7fELF broken\n");
  await addProgram(t, "/srv/lost", "#!/nowhere/sh\n");
  for (const word of ["/srv/plain", "/srv", "/srv/broken"]) {
    const { status, stdout, stderr } = await t.cage([word]);
    assertEquals([status, stdout], [126, ""], word);
    assertMatch(stderr, /^cage: [^\n]+\n$/);
  }
  const { status } = await t.cage(["/srv/lost"]);
  assertEquals([126, 127].includes(status), true);
});

test("cage without a command runs the user's login shell", async (t) => {
  const root = await t.root();
  await addProgram(
    t,
    "/bin/shell",
    '#!/bin/sh\nread line; echo "$line" $(tr "\\0" " " </proc/$$/cmdline)\n',
  );
  const entry = "carol:x:1002:1002::/:/bin/shell\n";
  await Deno.writeTextFile(`${root}/etc/passwd`, entry, { append: true });
  const own = await t.cage(["-u", "carol"], { stdin: "typed\n" });
  assertMatch(own.stdout, /^typed \/bin\/sh \/bin\/shell\n$/);
  const ash = await t.cage(["-u", "alice"], { stdin: "echo $0 $HOME\n" });
  assertEquals([ash.status, ash.stdout], [0, "-ash /home/alice\n"]);
  const root0 = await t.cage([], { stdin: "echo $0 $(id -u); exit 9\n" });
  assertEquals([root0.status, root0.stdout], [9, "-sh 0\n"]);
});

test("cage -e SHELL chooses the shell that is run", async (t) => {
  const { stdout } = await t.cage(["-e", "SHELL=/bin/ash"], {
    stdin: "echo $0\n",
  });
  assertEquals(stdout, "-ash\n");
});

test("cage lets a shell read its script", async (t) => {
  const { status, stdout } = await t.cage(["--", "/bin/sh", "-s", "a b"], {
    stdin: 'echo "$1"\nexit 4\necho too far\n',
  });
  assertEquals([status, stdout], [4, "a b\n"]);
});

test("cage passes bytes through unchanged", async (t) => {
  const bytes = new Uint8Array(1_000_000).map((_, at) => at * 7 + (at >> 8));
  const { stdout } = await t.cage(["sha256sum"], { stdin: bytes });
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const hex = [...new Uint8Array(digest)]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  assertEquals(stdout, `${hex}  -\n`);
});

test("cage keeps output and errors apart", async (t) => {
  const { stdout, stderr } = await t.cage(sh("echo out; echo err >&2"));
  assertEquals([stdout, stderr], ["out\n", "err\n"]);
});

test("cage hands the caller's own descriptors over", async (t) => {
  const file = `${t.scratch}/out`;
  const words = [...cageWords(), ...await t.options()];
  const script = `"$@" -- readlink /proc/self/fd/0 >'${file}' </dev/null`;
  const { status } = await run(["bash", "-c", script, "bash", ...words]);
  assertEquals([status, Deno.readTextFileSync(file)], [0, "/dev/null\n"]);
});

test("cage takes a caller without standard streams", async (t) => {
  const words = [...cageWords(), ...await t.options()];
  const made = `${t.scratch}/made`;
  Deno.mkdirSync(made);
  const command = sh("exec >/in/fds; ls /proc/$$/fd; true");
  const { status } = await run([
    ...["bash", "-c", '"$@" <&- >&- 2>&-', "bash", ...words],
    ...["-v", `${made}:/in`, ...command],
  ]);
  assertEquals(status, 0);
  assertEquals(Deno.readTextFileSync(`${made}/fds`), "0\n1\n2\n");
});

test("cage leaves a command no descriptors but three", async (t) => {
  const words = [...cageWords(), ...await t.options()];
  const script = 'exec 7</etc/passwd 8>/dev/null; "$@"';
  for (const more of [[], ["--no-init"], ["-u", "alice"]]) {
    const { status, stdout } = await run([
      ...["bash", "-c", script, "bash", ...words, ...more],
      ...sh("ls /proc/$$/fd; true"),
    ]);
    assertEquals([status, stdout], [0, "0\n1\n2\n"]);
  }
});

test("cage starts a command in / or where -c says", async (t) => {
  assertEquals(await t.sh("pwd; readlink /proc/self/cwd"), "/\n/\n");
  assertEquals(await t.sh("pwd", ["-c", "/home/alice"]), "/home/alice\n");
  const there = await t.cage(["-c", "/usr/bin/../../etc", "pwd"]);
  assertEquals(there.stdout, "/etc\n");
});

test("cage -c takes a directory that only a volume has", async (t) => {
  const script = "pwd; ls";
  Deno.mkdirSync(`${t.scratch}/share/deep`, { recursive: true });
  Deno.writeTextFileSync(`${t.scratch}/share/deep/file`, "");
  const options = ["-v", `${t.scratch}/share:/in`, "-c", "/in/deep"];
  assertEquals(await t.sh(script, options), "/in/deep\nfile\n");
});

test("cage does not start in the caller's directory", async (t) => {
  const { stdout } = await t.cage(["pwd"], { cwd: t.scratch });
  assertEquals(stdout, "/\n");
});

test("cage gives a command the umask 022", async (t) => {
  const words = [...cageWords(), ...await t.options()];
  for (const mask of ["0", "077", "777"]) {
    const { stdout } = await run([
      ...["sh", "-c", `umask ${mask}; exec "$@"`, "sh", ...words],
      ...sh("umask; >/tmp/x; stat -c %a /tmp/x"),
    ]);
    assertEquals(stdout, "0022\n644\n");
  }
});

test("cage lets signals stay ignored that nohup and a shell's & ignore", async (t) => {
  const within = ["sh", "-c", 'trap "" HUP INT QUIT; exec "$@"', "sh"];
  const args = [...await t.options(), "grep", "SigIgn", "/proc/self/status"];
  const { stdout } = await cage(args, { within });
  assertEquals(stdout, "SigIgn:\t0000000000000007\n");
});

test("cage gives a command signals as they are by default", async (t) => {
  const words = [...cageWords(), ...await t.options()];
  for (const more of [[], ["--no-init"]]) {
    const { stdout } = await run([
      ...["sh", "-c", 'trap "" PIPE USR1 TTOU; exec "$@"', "sh", ...words],
      ...[...more, "grep", "^Sig[BIC]", "/proc/self/status"],
    ]);
    assertEquals(
      stdout,
      [
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
        "SigCgt:\t0000000000000000",
        "",
      ].join("\n"),
    );
  }
});

test("cage lets SIGPIPE end a command", async (t) => {
  const script = "{ yes; echo $? >&2; } | head -n 1";
  const { stdout, stderr } = await t.cage(sh(script));
  assertEquals([stdout, stderr], ["y\n", "141\n"]);
});

test("cage ends with 141 when its reader goes away", async (t) => {
  const words = [...cageWords(), ...await t.options(), "yes"];
  const { stdout, stderr } = await run([
    ...["bash", "-c", '"$@" | head -n 1; echo ${PIPESTATUS[0]}'],
    ...["bash", ...words],
  ]);
  assertEquals([stdout, stderr], ["y\n141\n", ""]);
});

test(
  "cage runs programs that need a loader on this machine's root",
  async (t) => {
    const { status, stdout } = await cage([
      ...["-n", t.name, "bash", "-c", "echo $((6 * 7)) ${BASH_VERSION:+bash}"],
    ]);
    assertEquals([status, stdout], [0, "42 bash\n"]);
  },
  { skip: whyNoProgram("bash") },
);

test("cage runs with a root that is mounted read-only", async (t) => {
  const root = await t.root();
  const { status, stdout, stderr } = await cage(
    ["-l", root, "-n", t.name, ...sh("echo x >/made; cat /made")],
    { within: afterMounting(`mount --bind -r ${root} ${root}`) },
  );
  assertEquals([status, stdout, stderr], [0, "x\n", ""]);
});
