import { assert, assertEquals } from "@std/assert";
import { Block } from "../../ffi/block.ts";
import {
  canBeNamed,
  type FuseOverlay,
  fuseProgram,
  fuseSteps,
} from "../../src/fuse_overlay.ts";
import { fuseFailed, fuseUnnamed } from "../../src/fuse_words.ts";

const FUSE: FuseOverlay = {
  program: "/usr/bin/fuse-overlayfs",
  layers: ["/a:b", "/"],
  upper: "/home/ada/x,y/name/upper",
  work: "/home/ada/x,y/name/work",
  skeleton: [],
  absent: [],
};

const DESCRIPTORS = { container: 40, words: 41 };

function stepsOf(fuse: Partial<FuseOverlay> = {}) {
  return fuseProgram({ ...FUSE, ...fuse }, DESCRIPTORS).steps;
}

function optionsOf(fuse: Partial<FuseOverlay> = {}): string[] {
  return stepsOf(fuse).filter(({ call }) => call === "execve")
    .map(({ args }) => (args[1] as string[])[2]);
}

Deno.test("fuseProgram() gives the program no path with a special character", () => {
  const [plain, squashed] = optionsOf();
  assertEquals(
    plain,
    "lowerdir=/proc/driver/0:/proc/driver/1," +
      "upperdir=/proc/driver/storage/upper," +
      "workdir=/proc/driver/storage/work,allow_other,suid",
  );
  assertEquals(squashed, `${plain},squash_to_root`);
});

Deno.test("fuseProgram() puts files that are absent below all layers", () => {
  const absent = ["/etc/hosts", "/etc/resolv.conf"];
  const [options] = optionsOf({ absent });
  assert(options.startsWith(
    "lowerdir=/proc/driver/0:/proc/driver/1:/proc/driver/absent,",
  ));
  const made = stepsOf({ absent }).map(({ args }) => args[1]);
  assertEquals(
    made.filter((path) => path === "/proc/driver/absent/etc").length,
    1,
  );
  assert(made.includes("/proc/driver/absent/etc/hosts"));
});

Deno.test("fuseProgram() takes all layers before it covers a place", () => {
  const steps = stepsOf();
  const places = ["unshare", "open_tree", "mount", "move_mount", "clone"]
    .map((call) => steps.findIndex((step) => step.call === call));
  assertEquals(places, places.toSorted((a, b) => a - b));
  const last = steps.slice(0, places[2])
    .filter(({ call }) => call === "open_tree");
  assertEquals(last.map(({ args }) => args[1]), [
    "/a:b",
    "/",
    "/home/ada/x,y/name",
  ]);
});

Deno.test("fuseProgram() gives a file away only where there is a guest", () => {
  const gives = (fuse: Partial<FuseOverlay>) =>
    stepsOf(fuse).filter(({ call }) => call === "fchownat")
      .map(({ args }) => args[1]);
  assertEquals(gives({}), []);
  assertEquals(gives({ guest: { uid: 1, gid: 2 } }), [
    `${FUSE.work}/.cage-given`,
  ]);
});

Deno.test("fuseProgram() fits into a block with most layers", () => {
  using block = new Block();
  const layers = Array.from({ length: 500 }, (_, index) => `/srv/${index}`);
  block.append(fuseProgram({ ...FUSE, layers }, DESCRIPTORS));
});

Deno.test("fuseProgram() makes directories that are to be there", () => {
  const skeleton = [
    { path: "/home", mode: 0o755 },
    { path: "/root", mode: 0o700, isEmpty: true },
  ];
  const paths = stepsOf({ skeleton }).map(({ args }) => args[1]);
  assert(paths.includes(`${FUSE.upper}/home`));
  assert(!paths.includes(`${FUSE.upper}/home/.wh..wh..opq`));
  assert(paths.includes(`${FUSE.upper}/root/.wh..wh..opq`));
});

Deno.test("canBeNamed() looks at what is below the common directory", () => {
  const cases: [string, string, boolean][] = [
    ["/a/upper", "/a/work", true],
    ["/a,b/upper", "/a,b/work", true],
    ["/a\\b/upper", "/a\\b/work", true],
    ["/a/up,per", "/a/work", false],
    ["/a/upper", "/a/wo:rk", false],
    ["/a:/upper", "/b/work", false],
    ["/a", "/a/b:c/work", false],
  ];
  for (const [upper, work, can] of cases) {
    assertEquals([upper, work, canBeNamed({ upper, work })], [
      upper,
      work,
      can,
    ]);
  }
});

Deno.test("fuseSteps() mounts the root that the plan goes on with", () => {
  assertEquals(fuseSteps().map(({ call }) => call), [
    "open_tree",
    "move_mount",
  ]);
});

Deno.test("fuseFailed() tells what the program said, and no more", () => {
  const start = 'Cannot use upper directory "/x" with fuse-overlayfs: ';
  const end = "use -U and -w to put it elsewhere";
  const cases = [
    ["", `it failed without a word: ${end}`],
    [
      "unknown argument ignored: lazytime\nfuse-overlayfs: a\n\n b\n",
      `fuse-overlayfs: a; b: ${end}`,
    ],
    [
      "fuse: device not found, try 'modprobe fuse' first\n",
      "fuse: device not found, try 'modprobe fuse' first: have root load the " +
      "kernel module with modprobe fuse, and where this is a container give " +
      `it /dev/fuse, or ${end}`,
    ],
  ];
  for (const [words, said] of cases) {
    assertEquals(fuseFailed("/x", words), start + said);
  }
});

Deno.test("fuseUnnamed() says which characters", () => {
  assertEquals(
    fuseUnnamed("/a:b"),
    'Cannot use upper directory "/a:b": its file system cannot hold an ' +
      "overlay, and fuse-overlayfs takes no path with a colon, a comma or a " +
      "backslash: use -U and -w to put it elsewhere",
  );
});
