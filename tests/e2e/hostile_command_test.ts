import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  busybox,
  busyboxRoot,
  cage,
  type Context,
  filesBelow,
  test,
} from "./support/mod.ts";

/** Descriptors that a process of a launch may have beside the standard ones. */
const DESCRIPTORS = [...Array(40).keys(), 250, 500, 501, 502].slice(3);

/** A root, and a directory of the host that launches are done from. */
async function prepare(t: Context): Promise<[root: string, host: string]> {
  const root = await busyboxRoot(`${t.scratch}/hostile`);
  const host = `${t.scratch}/host`;
  Deno.mkdirSync(host);
  await Deno.copyFile(busybox(), `${host}/echo`);
  return [root, host];
}

function link(to: string, path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It is not there yet.
  }
  Deno.symlinkSync(to, path);
}

test("cage -c enters no directory of the host by a link to a descriptor", async (t) => {
  const [root, host] = await prepare(t);
  for (const descriptor of DESCRIPTORS) {
    link(`/proc/self/fd/${descriptor}`, `${root}/work`);
    const { status, stderr } = await cage(
      ["--ephemeral", "-l", root, "-c", "/work", "true"],
      { cwd: host },
    );
    assertEquals(status, 125, `${descriptor}`);
    assertMatch(stderr, /^cage: Cannot enter directory "\/work" inside: /);
  }
});

test("cage runs no program of the host by a link to a descriptor", async (t) => {
  const [root, host] = await prepare(t);
  for (const descriptor of DESCRIPTORS) {
    for (const below of ["echo", `..${host}/echo`]) {
      link(`/proc/self/fd/${descriptor}/${below}`, `${root}/bin/echo`);
      const args = ["--ephemeral", "-l", root, "echo", "of the host"];
      const { status, stdout } = await cage(args, { cwd: host });
      assertEquals(stdout, "", `${descriptor}`);
      assert([126, 127].includes(status));
    }
  }
});

test("cage runs no interpreter of the host by its descriptor", async (t) => {
  const [root, host] = await prepare(t);
  for (const descriptor of DESCRIPTORS) {
    const text = `#!/proc/self/fd/${descriptor}/echo of the host\n`;
    Deno.writeTextFileSync(`${root}/script`, text, { mode: 0o755 });
    for (const args of [["/script"], ["-i", "/script", "true"]]) {
      const { stdout } = await cage(
        ["--ephemeral", "-l", root, ...args],
        { cwd: host },
      );
      assertEquals(stdout, "", `${descriptor} ${args}`);
    }
  }
});

test("cage makes no home on the host where a script changed /tmp", async (t) => {
  const [root, host] = await prepare(t);
  link("elsewhere", `${root}/tmp.link`);
  Deno.removeSync(`${root}/tmp`);
  Deno.renameSync(`${root}/tmp.link`, `${root}/tmp`);
  Deno.mkdirSync(`${root}/elsewhere`);
  for (const descriptor of DESCRIPTORS) {
    const script = "#!/bin/sh\nrm /tmp\n" +
      `ln -s /proc/self/fd/${descriptor} /tmp\n`;
    Deno.writeTextFileSync(`${root}/script`, script, { mode: 0o755 });
    await cage(
      ["--ephemeral", "-l", root, "-i", "/script", "-u", "4242", "true"],
      { cwd: host },
    );
    assertEquals(await filesBelow(host), ["echo"], `${descriptor}`);
  }
  assert(!(await filesBelow(root)).includes(".home"));
});
