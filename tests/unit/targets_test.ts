import { assert, assertEquals } from "@std/assert";
import { mountHostFiles } from "../../src/host_files.ts";
import { coverSteps, fileSystemSteps } from "../../src/mounts.ts";
import { maskSteps } from "../../src/restrictions.ts";
import type { PlanStep } from "../../src/step.ts";
import { openTarget, type Target } from "../../src/targets.ts";
import { attachVolumes } from "../../src/volume_steps.ts";

const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000n : 0o400000n;
const RESOLVE_IN_ROOT_NO_MAGICLINKS = 0x12n;

const TARGET: Target = {
  name: "target",
  path: "/a/b/c",
  kind: "directory",
  why: "Cannot use it",
};

/** Everything that is done inside, beside what is done by descriptors. */
const INSIDE: PlanStep[] = [
  ...fileSystemSteps(),
  ...coverSteps(["/var/lib/x", "/srv/y"]),
  ...maskSteps(),
  ...mountHostFiles([{ path: "/etc/hosts", text: "" }]),
  ...attachVolumes(
    [{ host: "/x", inside: "/a/b", readOnly: false }],
    [{ mount: 9, host: "/x", kind: "file" }],
  ),
];

/** The words of `struct open_how`: flags, mode, resolve. */
function howOf({ args }: PlanStep): bigint[] {
  return [...new BigUint64Array((args[2] as Uint8Array).slice().buffer)];
}

Deno.test("nothing inside is named by a path that a link could redirect", () => {
  const below = /^\/(?:dev|proc|sys)\/[^.]+$/;
  const paths = INSIDE.flatMap(({ args, call }) => {
    if (call === "mount") return [args[1]];
    if (call === "move_mount" && args[2] === -100) return [args[3]];
    if (call === "symlinkat") return [args[2]];
    if (args[0] === -100 && call !== "openat2") return [args[1]];
    return [];
  });
  assert(paths.length > 40);
  for (const path of paths) {
    assert(
      [".", "/"].includes(String(path)) || below.test(`${path}`),
      `${path}`,
    );
  }
});

Deno.test("every path inside is opened in the root and without magic links", () => {
  const opens = INSIDE.filter(({ call }) => /^open/.test(call));
  assert(opens.length > 10);
  for (const step of opens) {
    assertEquals(step.call, "openat2");
    assertEquals(howOf(step)[2], RESOLVE_IN_ROOT_NO_MAGICLINKS);
  }
});

Deno.test("what is made inside has one name in a directory that is open", () => {
  const makes = INSIDE.filter(({ args, call }) =>
    /^mk/.test(call) && args[0] !== -100
  );
  assert(makes.length > 8);
  for (const { args } of makes) assert(!String(args[1]).includes("/"));
});

Deno.test("the working directory is the root again after each part", () => {
  for (const steps of [fileSystemSteps(), coverSteps(["/x"])]) {
    const last = steps.at(-1);
    assertEquals([last?.call, last?.args], ["chdir", ["/"]]);
  }
  for (const steps of [maskSteps(), coverSteps([])]) {
    assert(!steps.some(({ call }) => call === "fchdir"));
  }
});

Deno.test("openTarget() makes one part after the other", () => {
  assertEquals(
    openTarget(TARGET).map(({ args, call }) => [call, args[0], args[1]]),
    [
      ["mkdirat", { result: "root" }, "a"],
      ["openat2", { result: "root" }, "/a"],
      ["mkdirat", { result: "target:/a" }, "b"],
      ["openat2", { result: "root" }, "/a/b"],
      ["mkdirat", { result: "target:/a/b" }, "c"],
      ["openat2", { result: "root" }, "/a/b/c"],
    ],
  );
});

Deno.test("openTarget() makes a file only at the end", () => {
  const makes = openTarget({ ...TARGET, kind: "file" })
    .filter(({ call }) => call !== "openat2");
  const calls = makes.map(({ call }) => call);
  assertEquals(calls, ["mkdirat", "mkdirat", "mknodat"]);
});

Deno.test("openTarget() follows a link at the end unless it must be real", () => {
  const flagsOf = (isReal: boolean) =>
    howOf(openTarget({ ...TARGET, isReal }).at(-1) as PlanStep)[0];
  assertEquals(flagsOf(false) & O_NOFOLLOW, 0n);
  assertEquals(flagsOf(true) & O_NOFOLLOW, O_NOFOLLOW);
});

Deno.test("openTarget() tries again when something was renamed meanwhile", () => {
  for (const { call, name, onError } of openTarget(TARGET)) {
    if (call !== "openat2") continue;
    assertEquals(onError, { errno: "EAGAIN", goto: name });
  }
});

Deno.test("every tmpfs inside is the owner's", () => {
  const owner = { uid: 1000, gid: 100, tty: 165541 };
  const optionsOf = (steps: PlanStep[], type: string) =>
    steps.filter(({ args, call }) => call === "mount" && args[2] === type)
      .map(({ args }) => String(args[4]));
  const all = [...fileSystemSteps({ owner }), ...coverSteps(["/x"], owner)];
  const memory = optionsOf(all, "tmpfs");
  assertEquals(memory.length, 6);
  for (const options of memory) {
    assert(/^mode=\d{4},uid=1000,gid=100$/.test(options), options);
  }
  const [terminals] = optionsOf(all, "devpts");
  assert(terminals.endsWith(",gid=165541"), terminals);
});

Deno.test("every tmpfs inside is the caller's without an owner", () => {
  const texts = fileSystemSteps().map(({ args }) => String(args[4]));
  assert(!texts.some((text) => text.includes("uid=")));
  assert(texts.some((text) => text.endsWith(",gid=5")));
});
