import { assertEquals } from "@std/assert";
import {
  afterMounting,
  type Attack,
  attack,
  busyboxRoot,
  output,
  sh,
} from "./support/mod.ts";

/** A layer in which a mount hides a file that all could read. */
async function layHidden(t: Attack): Promise<string> {
  const lower = await busyboxRoot(`${t.scratch}/lower`);
  for (const name of ["hidden", "hidden/deep"]) {
    await Deno.mkdir(`${lower}/${name}`, { mode: 0o755 });
    await Deno.writeTextFile(`${lower}/${name}/file`, "secret\n");
  }
  await Deno.writeTextFile(`${lower}/alone`, "secret\n");
  return lower;
}

attack("What a mount hides outside is not seen in a layer", async (t) => {
  const lower = await layHidden(t);
  const within = afterMounting(
    `mount -t tmpfs none '${lower}/hidden'
    mount --bind /dev/null '${lower}/alone'`,
  );
  const script = "cat /hidden/file /hidden/deep/file /alone /h*/* /h*/*/* " +
    "2>/dev/null; umount /hidden /alone 2>/dev/null; cat /alone; " +
    "mv /hidden /moved; cat /moved/file; echo over";
  for (const person of [t.mallory, t.plain]) {
    for (
      const options of [
        ["--ephemeral", "-l", lower],
        ["--ephemeral", "-l", await t.root(), "-l", lower],
      ]
    ) {
      const { stdout } = await t.cage(person, [...options, ...sh(script)], {
        within,
      });
      assertEquals(stdout, "over\n", options.join(" "));
    }
  }
  assertEquals(await output(["cat", `${lower}/hidden/file`]), "secret\n");
});

attack(
  "What is mounted where the user cannot go is in nobody's way",
  async (t) => {
    const lower = await busyboxRoot(`${t.scratch}/lower`);
    for (const name of ["closed", "closed/below"]) {
      await Deno.mkdir(`${lower}/${name}`);
      await Deno.chmod(`${lower}/${name}`, 0o700);
    }
    await Deno.mkdir(`${lower}/closed/below/mount`);
    await Deno.writeTextFile(`${lower}/closed/below/mount/file`, "secret\n");
    const within = afterMounting(
      `mount -t tmpfs none '${lower}/closed/below/mount'`,
    );
    const script = "cat /closed/below/mount/file; chmod 755 /closed; " +
      "mv /closed /moved; cat /*/below/mount/file; echo over";
    for (const person of [t.mallory, t.plain]) {
      const { status, stdout } = await t.cage(person, [
        ...["--ephemeral", "-l", lower, ...sh(script)],
      ], { within });
      assertEquals([status, stdout], [0, "over\n"]);
      // Whoever can open a directory cannot close it to be shown what is hidden.
      await Deno.chown(`${lower}/closed`, person.uid, 0);
      await Deno.chmod(`${lower}/closed`, 0);
      const { stderr } = await t.cage(person, [
        ...["--ephemeral", "-l", lower, "true"],
      ], { within });
      assertEquals(
        stderr,
        'cage: Cannot cover "/closed/below/mount", which a mount hides outside: ' +
          "permission denied\n",
      );
      await Deno.chown(`${lower}/closed`, 0, 0);
    }
  },
);

attack("The home of root is empty for who is not root", async (t) => {
  const lower = await busyboxRoot(`${t.scratch}/lower`);
  await Deno.chmod(`${lower}/root`, 0o755);
  await Deno.writeTextFile(`${lower}/root/file`, "of root\n");
  for (const person of [t.mallory, t.plain]) {
    const { stdout, stderr } = await t.cage(person, [
      ...["--ephemeral", "-l", lower],
      ...sh("cat /root/file 2>/dev/null; ls -A /root; echo >/root/new"),
    ]);
    assertEquals([stdout, stderr], ["", ""]);
  }
});

attack("No variable makes a directory beside the upper one", async (t) => {
  const { home } = t.mallory;
  const ways = ["/etc/../../usr/x", "/../usr/x", "/usr/../../etc/x", "/../x/y"];
  for (const HOME of ways) {
    const { status, stderr } = await t.cage(t.mallory, [
      ...["-l", await t.root(), "-U", `${home}/upper`, "-w", `${home}/work`],
      ...["-c", `/etc/../../usr`, "-v", `${home}:/../../../etc/x`],
      ...sh("true"),
    ], { env: { HOME } });
    assertEquals([status, stderr], [0, ""], HOME);
    const names = [...Deno.readDirSync(home)].map(({ name }) => name);
    assertEquals(names.sort(), ["upper", "work"], HOME);
  }
});
