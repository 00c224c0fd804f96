import { assert, assertEquals } from "@std/assert";
import {
  compose,
  type Composition,
  type FoundDirectories,
  type FoundEntry,
  type FoundLayer,
  isCovered,
  MAX_PARTS,
  spineOf,
} from "../../src/compose.ts";

/**
 * Directories by their paths, with names that say what they are: a directory
 * ends with a slash, a link has an arrow; before them may be a mark.
 */
type Listing = Record<string, string>;

const KINDS: Record<string, FoundEntry["kind"]> = {
  "-": "whiteout",
  "=": "opaque",
  "?": "other",
};

function directories(listing: Listing): FoundDirectories {
  return new Map(
    Object.entries(listing).map(([path, names]) => [
      path,
      new Map(names.split(" ").filter((name) => name !== "").map(entryOf)),
    ]),
  );
}

function entryOf(word: string): [name: string, entry: FoundEntry] {
  const kind = KINDS[word[0]];
  const [name, target] = word.replace(/^[-=?]|\/0?$/g, "").split("->");
  if (kind !== undefined) return [name, { kind }];
  if (target !== undefined) return [name, { kind: "link", target }];
  if (word.endsWith("/0")) {
    const bare = name.replace(/\/$/, "");
    return [bare, { kind: "directory", isEmpty: true }];
  }
  if (word.endsWith("/")) return [name, { kind: "directory" }];
  return [name, { kind: "file" }];
}

interface Wish {
  readonly layers: readonly Listing[];
  readonly mounts: readonly string[];
  readonly upper?: Listing;
  readonly empty?: readonly string[];
  readonly readOnly?: readonly string[];
  readonly roots?: readonly string[];
}

function composed(wish: Wish): Composition {
  const { empty, layers, mounts, readOnly, roots, upper = {} } = wish;
  return compose({
    layers: layers.map((listing, index): FoundLayer => ({
      path: roots?.[index] ?? "/",
      directories: directories(listing),
      readOnly: new Set(index === 0 ? readOnly : []),
    })),
    spine: new Set(spineOf(mounts)),
    upper: directories(upper),
    empty: new Set(empty),
  });
}

/** Each part as words: its path, what it is or why, what it shows. */
function partsOf(wish: Wish): string[] {
  return composed(wish).parts.map(({ hindrance, kind, lower, path }) =>
    [path, hindrance ?? kind, ...lower].join(" ")
  );
}

function skeletonOf(wish: Wish): string[] {
  return composed(wish).skeleton.map(({ kind, path }) => `${kind} ${path}`);
}

Deno.test("spineOf() lists what is above a mount, and not the mount", () => {
  assertEquals(spineOf([]), []);
  assertEquals(spineOf(["/home"]), ["/"]);
  assertEquals(spineOf(["/a/b/c", "/a/d"]), ["/", "/a", "/a/b"]);
});

Deno.test("spineOf() stops where the container has its own file systems", () => {
  assertEquals(spineOf(["/dev/pts", "/run/user/1000", "/tmp/a/b"]), ["/"]);
  assertEquals(spineOf(["/var/tmp/a"]), ["/", "/var"]);
  assertEquals(spineOf(["/device/a"]), ["/", "/device"]);
});

Deno.test("isCovered() takes whole names", () => {
  assert(isCovered("/proc"));
  assert(isCovered("/run/lock/a"));
  assert(!isCovered("/runs"));
  assert(!isCovered("/"));
});

Deno.test("compose() makes an overlay of each directory beside a mount", () => {
  const layers = [{ "/": "etc/ home/ usr/" }];
  assertEquals(partsOf({ layers, mounts: ["/home"] }), [
    "/etc overlay /etc",
    "/home overlay /home",
    "/usr overlay /usr",
  ]);
  assertEquals(partsOf({ layers, mounts: ["/home"], roots: ["/srv"] }), [
    "/etc overlay /srv/etc",
    "/home overlay /srv/home",
    "/usr overlay /srv/usr",
  ]);
});

Deno.test("compose() goes down to a mount, and makes no part of the way", () => {
  const wish: Wish = {
    layers: [{ "/": "home/ usr/", "/home": "me/", "/home/me": ".x mnt/ src/" }],
    mounts: ["/home/me/mnt"],
  };
  assertEquals(partsOf(wish), [
    "/home/me/.x file /home/me/.x",
    "/home/me/mnt overlay /home/me/mnt",
    "/home/me/src overlay /home/me/src",
    "/usr overlay /usr",
  ]);
  assertEquals(skeletonOf(wish), [
    "directory /home",
    "directory /home/me",
    "file /home/me/.x",
    "directory /home/me/mnt",
    "directory /home/me/src",
    "directory /usr",
  ]);
});

Deno.test("compose() keeps links and leaves out what is no file", () => {
  const wish: Wish = {
    layers: [{ "/": "bin->usr/bin ?socket -gone usr/" }],
    mounts: ["/usr"],
  };
  assertEquals(composed(wish).skeleton[0], {
    path: "/bin",
    kind: "link",
    target: "usr/bin",
  });
  assertEquals(skeletonOf(wish), ["link /bin", "directory /usr"]);
  assertEquals(partsOf(wish), ["/usr overlay /usr"]);
});

Deno.test("compose() has no parts where the container has file systems", () => {
  const wish: Wish = {
    layers: [{ "/": "dev/ proc/ var/", "/var": "lib/ tmp/" }],
    mounts: ["/proc", "/dev", "/dev/pts", "/var/tmp/a"],
  };
  assertEquals(partsOf(wish), ["/var/lib overlay /var/lib"]);
  assertEquals(skeletonOf(wish), [
    "directory /dev",
    "directory /proc",
    "directory /var",
    "directory /var/lib",
    "directory /var/tmp",
  ]);
});

Deno.test("compose() has no parts for directories with nothing in them", () => {
  const wish = { layers: [{ "/": "media/0 root/ usr/" }], mounts: ["/x"] };
  assertEquals(partsOf({ ...wish, empty: ["/root"] }), ["/usr overlay /usr"]);
  assertEquals(skeletonOf({ ...wish, empty: ["/root"] }), [
    "directory /media",
    "directory /root",
    "directory /usr",
  ]);
});

Deno.test("compose() takes a directory as it is that nobody may look into", () => {
  const wish: Wish = {
    layers: [{ "/": "root/ usr/" }],
    mounts: ["/root/mnt/a"],
  };
  assertEquals(partsOf(wish), ["/root closed /root", "/usr overlay /usr"]);
  assertEquals(composed(wish).parts[0].kind, "directory");
});

Deno.test("compose() takes a read-only mount as it is, unless it was changed", () => {
  const wish: Wish = {
    layers: [{ "/": "snap/ usr/" }],
    mounts: ["/snap"],
    readOnly: ["/snap"],
  };
  assertEquals(partsOf(wish), ["/snap mounted /snap", "/usr overlay /usr"]);
  assertEquals(composed(wish).upper.map(({ path }) => path), ["/usr"]);
  assertEquals(
    partsOf({ ...wish, upper: { "/": "snap/" } })[0],
    "/snap overlay /snap",
  );
});

Deno.test("compose() lets the upper directory decide first", () => {
  const wish: Wish = {
    layers: [{
      "/": "a/ b/ c/ d/ e f g->a h/",
      "/h": "i/ j/",
    }],
    mounts: ["/h/i"],
    upper: { "/": "-a b =c d/ -e f g h/", "/h": "-i" },
  };
  assertEquals(partsOf(wish), ["/d overlay /d", "/h/j overlay /h/j"]);
  assertEquals(skeletonOf(wish), [
    "directory /d",
    "directory /h",
    "directory /h/j",
  ]);
});

Deno.test("compose() looks no further below what the upper directory hides", () => {
  for (const upper of ["-h", "h", "=h"]) {
    const wish: Wish = {
      layers: [{ "/": "h/", "/h": "i/ j/" }],
      mounts: ["/h/i"],
      upper: { "/": upper },
    };
    assertEquals(composed(wish), { skeleton: [], parts: [], upper: [] });
  }
});

Deno.test("compose() names the directories that the upper one has to have", () => {
  const layers = [{
    "/": "home/ opt/0 usr/ var/",
    "/home": "me/",
    "/var": "lib/ x",
  }];
  const mounts = ["/home/me", "/var/x"];
  const wish = { layers, mounts };
  const paths = (upper: Listing) =>
    composed({ ...wish, upper }).upper.map(({ path }) => path);
  assertEquals(paths({}), ["/home", "/home/me", "/usr", "/var", "/var/lib"]);
  assertEquals(paths({ "/": "home/ usr/", "/home": "" }), [
    "/home/me",
    "/var",
    "/var/lib",
  ]);
});

Deno.test("compose() keeps modes, without the bits that give anything", () => {
  const { skeleton, upper } = compose({
    layers: [{
      path: "/",
      directories: new Map([
        ["/", new Map([["mail", { kind: "directory", mode: 0o43775 }]])],
      ]),
      readOnly: new Set(),
    }],
    spine: new Set(["/"]),
    upper: new Map(),
    empty: new Set(),
  });
  assertEquals(skeleton[0].mode, 0o1775);
  assertEquals(upper, [{ path: "/mail", mode: 0o1775 }]);
});

Deno.test("compose() merges directories of layers, the first on top", () => {
  const wish: Wish = {
    layers: [
      { "/": "a/ b/ c d/ e/0" },
      { "/": "a/ b c/ e/ f/" },
      { "/": "a/ b/ d/ g/" },
    ],
    roots: ["/1", "/2", "/3"],
    mounts: ["/a"],
  };
  assertEquals(partsOf(wish), [
    "/a overlay /1/a /2/a /3/a",
    "/b overlay /1/b",
    "/c file /1/c",
    "/d overlay /1/d /3/d",
    "/e overlay /2/e",
    "/f overlay /2/f",
    "/g overlay /3/g",
  ]);
});

Deno.test("compose() heeds what layers hide of those below", () => {
  const wish: Wish = {
    layers: [{ "/": "-a =b c/" }, { "/": "a/ b/ =c" }, { "/": "c/" }],
    roots: ["/1", "/2", "/3"],
    mounts: ["/x"],
  };
  assertEquals(partsOf(wish), [
    "/b overlay /1/b",
    "/c overlay /1/c /2/c",
  ]);
});

Deno.test("compose() merges what is on the way to a mount of any layer", () => {
  const wish: Wish = {
    layers: [
      { "/": "a/ s->a", "/a": "x/" },
      { "/": "a/ s/", "/a": "x/ y/", "/s": "z/" },
    ],
    roots: ["/1", "/2"],
    mounts: ["/a/y", "/s/z"],
  };
  assertEquals(partsOf(wish), [
    "/a/x overlay /1/a/x /2/a/x",
    "/a/y overlay /2/a/y",
  ]);
  assertEquals(skeletonOf(wish)[3], "link /s");
});

Deno.test("compose() takes a directory as it is that has too much in it", () => {
  const many = Array.from({ length: MAX_PARTS }, (_, i) => `f${i}`).join(" ");
  const wish: Wish = {
    layers: [{ "/": "a/ b/", "/a": `${many} x/`, "/b": "c/" }],
    mounts: ["/a/x", "/b/c"],
  };
  assertEquals(partsOf(wish), ["/a many /a", "/b/c overlay /b/c"]);
  const root = { layers: [{ "/": `${many} x/` }], mounts: ["/x"] };
  assertEquals(partsOf(root).length, MAX_PARTS + 1);
});

Deno.test("compose() copies small files beside a mount, and binds large ones", () => {
  const file = (size: number): FoundEntry => ({
    ...{ kind: "file", mode: 0o100640, modified: 7n, size },
  });
  const { parts, skeleton } = compose({
    layers: [{
      path: "/srv",
      directories: new Map([[
        "/",
        new Map<string, FoundEntry>([
          ["closed", { kind: "file" }],
          ["large", file((64 << 10) + 1)],
          ["small", file(64 << 10)],
        ]),
      ]]),
      readOnly: new Set(),
    }],
    spine: new Set(["/"]),
    upper: new Map(),
    empty: new Set(),
  });
  assertEquals(parts.map(({ path }) => path), ["/closed", "/large"]);
  assertEquals(skeleton.find(({ kind }) => kind === "copy"), {
    path: "/small",
    kind: "copy",
    mode: 0o640,
    target: "/srv/small",
    size: 64 << 10,
    modified: 7n,
  });
});

Deno.test("compose() does not fill the memory with copies", () => {
  const names = Array.from({ length: 100 }, (_, index) => `f${index}`);
  const file: FoundEntry = { kind: "file", mode: 0o644, size: 64 << 10 };
  const { parts, skeleton } = compose({
    layers: [{
      path: "/srv",
      directories: new Map([
        ["/", new Map(names.map((name) => [name, file]))],
      ]),
      readOnly: new Set(),
    }],
    spine: new Set(["/"]),
    upper: new Map(),
    empty: new Set(),
  });
  assertEquals(skeleton.filter(({ kind }) => kind === "copy").length, 64);
  assertEquals(parts.length, 36);
});
