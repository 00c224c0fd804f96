import { assertEquals, assertStringIncludes } from "@std/assert";
import { syscall } from "../../ffi/libc.ts";
import type { View } from "./support/composed_view.ts";
import {
  afterMounting,
  CHECKOUT,
  type Context,
  denoWords,
  exists,
  output,
  type Result,
  run,
  test,
} from "./support/mod.ts";

/** Of nobody: such a user needs no entry in passwd(5). */
const UID = 23_000 + Deno.pid % 1000;
const AS_USER = [
  ...["setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups", "--"],
];

const NOT_HERE = await whyNotHere();
const SKIP = {
  withoutCage: true,
  ...(NOT_HERE === undefined ? {} : { skip: NOT_HERE }),
};

async function whyNotHere(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "mounting on the host takes root";
  const { status } = await run([...AS_USER, "unshare", "-U", "true"]);
  return status === 0 ? undefined : "users cannot make user namespaces";
}

/** A place that is seen inside, with things mounted on the host. */
interface Place {
  readonly path: string;
  readonly home: string;
  readonly storage: string;
  /** Runs a script on the view. */
  sh(script: string, view?: Partial<View>): Promise<Result>;
  /** Runs a script as the user on the host. */
  outside(script: string): Promise<Result>;
}

/** Mounts on a file, two levels down, read-only, and where nobody looks. */
const MOUNTS = `
mount --bind hosts /etc/hosts
mount -t tmpfs deep deep/one/two
echo deep >deep/one/two/file
chown -R ${UID}:${UID} deep
mount -t tmpfs read read
echo read >read/file
mount -o remount,ro read
mount -t tmpfs closed closed/mount
echo closed >closed/mount/file
chmod 700 closed
`;

function makePlace(t: Context, more = ""): Place {
  const path = t.newScratch("/var/cache");
  const [home, storage] = [`${path}/home`, `${path}/storage`];
  Deno.chmodSync(path, 0o755);
  for (const name of ["deep/one/two", "read", "closed/mount"]) {
    Deno.mkdirSync(`${path}/${name}`, { recursive: true });
  }
  Deno.writeTextFileSync(`${path}/hosts`, "127.0.0.1 composed\n");
  for (const own of [home, storage, `${storage}/upper`, `${storage}/work`]) {
    Deno.mkdirSync(own);
    Deno.chownSync(own, UID, UID);
  }
  for (const name of ["old", "gone"]) {
    Deno.writeTextFileSync(`${home}/${name}`, `${name}\n`);
    Deno.chownSync(`${home}/${name}`, UID, UID);
  }
  const within = afterMounting(`cd ${path}\n${MOUNTS}\n${more}\ncd /`);
  return {
    path,
    home,
    storage,
    sh: (script, view) =>
      run([
        ...denoWords(),
        VIEWER,
        viewOf({ layers: ["/"], storage, ...view, script }),
      ], {
        within,
      }),
    outside: (script) =>
      run([...AS_USER, "env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", script], {
        within,
      }),
  };
}

const VIEWER = `${CHECKOUT}/tests/e2e/support/composed_view.ts`;

function viewOf(view: View): string {
  return JSON.stringify({ uid: UID, ...view });
}

function ok(stdout: string): Result {
  return { status: 0, stdout, stderr: "" };
}

test("A composed view shows what the host shows to the user", async (t) => {
  const { home, outside, path, sh } = makePlace(t);
  const script = `
    export LC_ALL=C
    {
      find /usr -maxdepth 3 -printf '%p %y %m %l\\n'
      find /etc ${home} -printf '%p %y %m %l\\n'
      find /etc ${home} -type f -printf '%p %s %t\\n'
    } 2>&1 | sort
    ls -A / | grep -v '^lost+found$'
    cat /etc/hosts /etc/passwd ${path}/*/file ${path}/deep/one/two/file 2>&1
    cat $(find /usr/bin -type f | sort | sed -n 1,50p) | cksum
    cat ${path}/closed/mount/file 2>&1
  `;
  const seen = await sh(script);
  assertEquals(seen, { ...await outside(script), stderr: "" });
  assertStringIncludes(seen.stdout, "127.0.0.1 composed\nroot:");
  assertStringIncludes(seen.stdout, "deep\n");
  assertStringIncludes(seen.stdout, "file: Permission denied");
}, SKIP);

test(
  "What is changed in a composed view is laid out as by one overlay",
  async (t) => {
    const { home, path, sh, storage } = makePlace(t);
    const upper = `${storage}/upper`;
    const change = `
    echo new >${home}/new && echo more >>${home}/old && rm ${home}/gone
    echo x >/etc/cage-test && mkdir /etc/cage-test.d && echo y >/top
    mkdir /directory && echo z >/directory/z
    echo deeper >>${path}/deep/one/two/file && echo w >${path}/deep/one/w
    mv /etc/cage-test.d /etc/cage-test.e
  `;
    assertEquals(await sh(change), ok(""));
    const read = (file: string) => Deno.readTextFileSync(`${upper}${file}`);
    assertEquals(
      [
        ...[`${home}/new`, `${home}/old`, "/etc/cage-test", "/top"],
        ...["/directory/z", `${path}/deep/one/two/file`, `${path}/deep/one/w`],
      ].map(read),
      ["new\n", "old\nmore\n", "x\n", "y\n", "z\n", "deep\ndeeper\n", "w\n"],
    );
    const whiteout = Deno.lstatSync(`${upper}${home}/gone`);
    assertEquals([whiteout.isCharDevice, whiteout.rdev], [true, 0]);
    assertEquals(exists(`${upper}/etc/cage-test.e`), true);
    assertEquals(Deno.readTextFileSync(`${home}/old`), "old\n");
    assertEquals(exists("/etc/cage-test"), false);

    const look = `
    cd ${home} && cat new old /etc/cage-test /top /directory/z
    cat ${path}/deep/one/two/file ${path}/deep/one/w; ls ${home} -d /etc/cage*
    rm /top /etc/cage-test; rmdir /etc/cage-test.e
  `;
    const seen = "new\nold\nmore\nx\ny\nz\ndeep\ndeeper\nw\n" +
      `/etc/cage-test\n/etc/cage-test.e\n${home}\n`;
    assertEquals(await sh(look), ok(seen));
    assertEquals(
      await sh("cat /top 2>&1; ls -d /etc/cage*  2>&1 | wc -l"),
      ok(
        "cat: /top: No such file or directory\n1\n",
      ),
    );
  },
  SKIP,
);

test("A composed view heeds what its upper directory hides", async (t) => {
  const { home, path, sh, storage } = makePlace(t);
  const upper = `${storage}/upper`;
  await output([...AS_USER, "mkdir", "-p", `${upper}/opt`, `${upper}${path}`]);
  await output(["mknod", `${upper}/srv`, "c", "0", "0"]);
  await output(["mknod", `${upper}${home}`, "c", "0", "0"]);
  await output(["mknod", `${upper}${path}/hosts`, "c", "0", "0"]);
  Deno.writeTextFileSync(`${upper}/usr`, "");
  Deno.mkdirSync(`${upper}${path}/deep`);
  for (const opaque of ["/opt", `${path}/deep`]) {
    const y = new TextEncoder().encode("y");
    const name = "user.overlay.opaque";
    syscall("setxattr", `${upper}${opaque}`, name, y, y.length, 0);
  }
  Deno.removeSync(`${upper}/usr`);
  const script = `
    ls -d /srv ${home} ${path}/hosts 2>&1
    ls /opt ${path}/deep
    ls ${path}
  `;
  const gone = ["/srv", home, `${path}/hosts`].map((file) =>
    `ls: cannot access '${file}': No such file or directory\n`
  );
  assertEquals(
    await sh(script),
    ok(`${gone.join("")}/opt:\n\n${path}/deep:\nclosed\ndeep\nread\nstorage\n`),
  );
}, SKIP);

test("A composed view tells what of it can only be read", async (t) => {
  // The kernel has overlays in overlays, but not thrice.
  const stack = `
    mkdir -p stack && mount -t tmpfs stack stack && cd stack
    mkdir a b c d upper work
    echo stacked >a/file
    mount -t overlay o -o lowerdir=a:b c
    mount -t overlay o -o lowerdir=c,upperdir=upper,workdir=work d
    cd ..
  `;
  const { path, sh } = makePlace(t, stack);
  const script = `
    for place in read stack/d closed; do
      echo x >${path}/$place/new
    done 2>&1 | sed 's/^sh: [0-9]*: //'
    cat ${path}/read/file ${path}/stack/d/file
    echo changed >/etc/hosts && cat /etc/hosts
  `;
  const { stderr, stdout } = await sh(script, { isTold: true });
  assertEquals(
    stdout,
    [
      `cannot create ${path}/read/new: Read-only file system`,
      `cannot create ${path}/stack/d/new: Read-only file system`,
      `cannot create ${path}/closed/new: Permission denied`,
      "read\nstacked\nchanged\n",
    ].join("\n"),
  );
  for (
    const sentence of [
      "can only be read: mounted read-only outside",
      `"${path}/closed" can only be read: something is mounted below, and`,
      `"${path}/stack/d" can only be read: no overlay of it is possible`,
      "can only be read: something is mounted beside, and it cannot be copied",
    ]
  ) assertStringIncludes(stderr, sentence);
}, SKIP);

test(
  "A composed view has several layers, and places for absent files",
  async (t) => {
    const { path, sh, storage } = makePlace(
      t,
      "mkdir layer/usr layer/etc/cage",
    );
    for (const name of ["layer/etc", "other"]) {
      Deno.mkdirSync(`${path}/${name}`, { recursive: true });
    }
    Deno.writeTextFileSync(`${path}/layer/etc/passwd`, "over\n");
    Deno.writeTextFileSync(`${path}/other/, a:b\\c`, "odd\n");
    Deno.mkdirSync(`${path}/layer/,odd:\\`);
    Deno.writeTextFileSync(`${path}/layer/,odd:\\/file`, "odd\n");
    const script = `
    cat /etc/passwd /etc/hosts '/,odd:\\/file' && ls -d /etc/shells /etc/cage
    cat /usr/cage-absent && echo new >'/,odd:\\/new'
  `;
    const view = {
      layers: [`${path}/layer`, "/"],
      absent: ["/usr/cage-absent"],
    };
    assertEquals(
      await sh(script, view),
      ok("over\n127.0.0.1 composed\nodd\n/etc/cage\n/etc/shells\n"),
    );
    assertEquals(
      Deno.readTextFileSync(`${storage}/upper/,odd:\\/new`),
      "new\n",
    );
  },
  SKIP,
);

for (const how of ["descriptors", "paths", "mount"] as const) {
  test(`A composed view in memory, by ${how}, keeps nothing`, async (t) => {
    const { home, sh, storage } = makePlace(t);
    const script = `echo x >/etc/x && echo y >>${home}/old && cat ${home}/old`;
    const view = { storage: undefined, how };
    assertEquals(await sh(script, view), ok("old\ny\n"));
    assertEquals(Deno.readTextFileSync(`${home}/old`), "old\n");
    assertEquals([...Deno.readDirSync(`${storage}/upper`)], []);
  }, SKIP);
}
