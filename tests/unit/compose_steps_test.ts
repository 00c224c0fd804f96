import { assert, assertEquals } from "@std/assert";
import type { Composition, Part } from "../../src/compose.ts";
import {
  attachParts,
  PART,
  type PartsWish,
  prepareParts,
} from "../../src/compose_steps.ts";
import type { PlanStep } from "../../src/step.ts";

const STORAGE = { upper: "/u", work: "/w" };

function composition(...parts: Part[]): Composition {
  return {
    skeleton: parts.map(({ kind, path }) => ({
      path,
      kind: kind === "file" ? "file" : "directory",
    })),
    parts,
    upper: [],
  };
}

function prepared(parts: Part[], wish: Partial<PartsWish> = {}): PlanStep[] {
  return prepareParts({
    composition: composition(...parts),
    storage: STORAGE,
    skeleton: [],
    absent: [],
    ...wish,
  });
}

function overlay(path: string, ...lower: string[]): Part {
  return { path, kind: "overlay", lower: lower.length > 0 ? lower : [path] };
}

function options(steps: PlanStep[], path: string): string {
  const step = steps.find(({ name }) => name === `${PART}${path}`);
  return String(step?.args[4]);
}

Deno.test("prepareParts() mounts overlays on the places in the skeleton", () => {
  const steps = prepared([
    overlay("/usr", "/usr"),
    overlay("/a", "/1/a", "/a"),
  ]);
  assertEquals(
    options(steps, "/usr"),
    "userxattr,index=off,lowerdir=/usr,upperdir=/u/usr,workdir=/w/parts/0",
  );
  assertEquals(
    options(steps, "/a"),
    "userxattr,index=off,lowerdir=/1/a:/a,upperdir=/u/a,workdir=/w/parts/1",
  );
});

Deno.test("prepareParts() numbers directories that options cannot name", () => {
  const steps = prepared([overlay("/a:b", "/a:b", "/c")]);
  assertEquals(
    options(steps, "/a:b"),
    "userxattr,index=off,lowerdir=/proc/self/fd/502:/c," +
      "upperdir=/proc/self/fd/500,workdir=/w/parts/0",
  );
  const opened = steps.filter(({ call }) => call === "openat");
  assertEquals(opened.map(({ args }) => args[1]), ["/u/a:b", "/a:b"]);
});

Deno.test("prepareParts() numbers all when the options are too long", () => {
  const long = `/${"ä".repeat(2048)}`;
  assertEquals(
    options(prepared([overlay("/a", long)]), "/a"),
    "userxattr,index=off,lowerdir=/proc/self/fd/502," +
      "upperdir=/proc/self/fd/500,workdir=/proc/self/fd/501",
  );
});

Deno.test("prepareParts() puts places for absent files under their part", () => {
  const wish = { absent: ["/etc/hosts"] };
  const steps = prepared([overlay("/etc"), overlay("/etcetera")], wish);
  assert(options(steps, "/etc").includes("lowerdir=/etc:/../layer/etc,"));
  assert(options(steps, "/etcetera").includes("lowerdir=/etcetera,"));
});

Deno.test("prepareParts() makes what is above first, and what is asked for", () => {
  const steps = prepared([], {
    composition: {
      skeleton: [],
      parts: [],
      upper: [{ path: "/home/me", mode: 0o700 }, { path: "/usr", mode: 0o755 }],
    },
    skeleton: [
      { path: "/home", mode: 0o755 },
      { path: "/usr", mode: 0o700, isEmpty: true },
    ],
  });
  const made = steps.filter(({ args, call }) =>
    call === "mkdirat" && String(args[1]).startsWith("/u/")
  );
  assertEquals(made.map(({ args }) => args.slice(1)), [
    ["/u/usr", 0o700],
    ["/u/home", 0o755],
    ["/u/home/me", 0o700],
  ]);
});

Deno.test("prepareParts() shows nothing that could be written to on the host", () => {
  const file: Part = { path: "/f", kind: "file", lower: ["/f"] };
  const calls = prepared([file]).map(({ call }) => call);
  assertEquals(calls.slice(-4), ["mount", "mount_setattr", "umount2", "load"]);
});

Deno.test("attachParts() moves each part, whatever becomes of the others", () => {
  const steps = attachParts(composition(overlay("/a"), overlay("/b/c")));
  assertEquals(steps.map(({ args, onError }) => [args[1], args[3], onError]), [
    ["skeleton/a", "a", {}],
    ["skeleton/b/c", "b/c", {}],
  ]);
});
