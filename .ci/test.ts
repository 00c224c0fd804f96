/**
 * Runs suites of tests, and adds up what they show.
 *
 * @module
 */

import { existsSync } from "@std/fs";
import { stripVTControlCharacters } from "node:util";
import { fromFileUrl, join, resolve } from "@std/path";
import type { Kind, Stage } from "./test_user.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

/** A run of tests. */
interface Suite {
  readonly name: string;
  /** Without it, there is nothing to run. */
  readonly needs?: string;
  /** Arguments of `deno test`. */
  readonly args: readonly string[];
  /** The command under test. */
  readonly cage?: readonly string[];
  /** The user who is made for it, to whom the command under test is copied. */
  readonly user?: Kind;
}

/** How many tests went how. */
interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What is said of those that failed; nothing if none did. */
  readonly errors: string;
}

const FLAG = "--import-map=";

/** The path of the import map in use, from the checkout; none with JSR. */
const ownMap = Deno.args.filter((arg) => arg.startsWith(FLAG))
  .map((arg) => arg.slice(FLAG.length));
const importMap = ownMap.map((path) => resolve(ROOT, path));
const mapFlag = importMap.map((path) => FLAG + path);
const names = Deno.args.filter((arg) => !arg.startsWith("--"));

const BINARY = [join(ROOT, "bin/cage")];
const SOURCE = [
  Deno.execPath(),
  "run",
  "-A",
  "-q",
  ...mapFlag,
  join(ROOT, "mod.ts"),
];

/** Files of tests that run parts of it, and not the command. */
const WITHOUT_CAGE = ["compose_parts", "guard", "mount_fuse", "support"];

/** Files of tests about what is inside, by the same plan in both cases. */
const OF_PLANS = [
  ...["debian", "etc", "filesystems", "hostile_command", "hostile_root"],
  ...["image", "kernels", "namespaces", "overlay", "restrictions", "users"],
  "volumes",
];

/** Files of tests about what somebody with one id gets in another way. */
const OF_ONE_ID = [
  ...["one_id", "compile"],
  ...["", "_attach", "_bus", "_sound", "_wayland", "_x11"]
    .map((part) => `graphics${part}`),
];

const SUITES: readonly Suite[] = [
  { name: "unit", args: ["tests/unit"] },
  { name: "doc", args: ["--doc", "--ignore=src/library.ts", "src", "ffi"] },
  // These start containers, which takes root.
  {
    name: "doc-library",
    args: ["--doc", "docs/library.md", "src/library.ts", "mod.ts"],
  },
  {
    name: "e2e",
    needs: "tests/e2e",
    // These have suites of their own.
    args: without("one_id", "rootless"),
    cage: BINARY,
  },
  {
    name: "e2e-source",
    needs: "tests/e2e",
    // How the runtime starts differs, and not what it makes of a plan.
    args: without(...WITHOUT_CAGE, ...OF_PLANS, "one_id", "rootless"),
    cage: SOURCE,
  },
  {
    name: "e2e-rootless",
    needs: "tests/e2e",
    // Left out is what is the same whoever runs the command.
    args: without(...WITHOUT_CAGE, "statuses", "one_id"),
    user: "with ranges",
  },
  {
    name: "e2e-one-id",
    needs: "tests/e2e",
    args: OF_ONE_ID.map((name) => `tests/e2e/${name}_test.ts`),
    user: "without ranges",
  },
  {
    name: "security",
    needs: "tests/security",
    args: ["tests/security"],
    cage: BINARY,
  },
];

/** Where programs are that change who runs a suite. */
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** Deno looks for leaks of a test only when asked to. */
const OPTIONS = [
  "-A",
  "--permit-no-files",
  "--sanitize-ops",
  "--sanitize-resources",
];

/** All files of end-to-end tests but some. */
function without(...names: string[]): string[] {
  const files = names.map((name) => `tests/e2e/${name}_test.ts`);
  return [`--ignore=${files}`, "tests/e2e"];
}

let stage: Stage | undefined;

/** Loaded when it is needed, since it makes the process take in orphans. */
async function findStage(): Promise<Stage> {
  const { setStage } = await import("./test_user.ts");
  return stage ??= setStage(ROOT, BINARY[0], importMap.length > 0);
}

/** A run of Deno, and how to name the command under test. */
interface Runner {
  /** The program, and the first arguments. */
  readonly words: readonly string[];
  /** How it is started. */
  readonly options: Deno.CommandOptions;
  /** The command under test. */
  readonly cage?: readonly string[];
}

async function runnerOf({ cage, user }: Suite): Promise<Runner> {
  const env = (deno: string, map: string, cage?: readonly string[]) => ({
    DENO: deno,
    IMPORT_MAP: map,
    ...cage ? { CAGE: JSON.stringify(cage) } : {},
  });
  if (user === undefined) {
    const deno = Deno.execPath();
    const options = { cwd: ROOT, env: env(deno, importMap.join(), cage) };
    return { words: [deno, "test", ...mapFlag], options, cage };
  }
  const { cage: copy, deno, root, words } = await findStage();
  const map = ownMap.map((path) => resolve(root, path));
  const flags = map.map((path) => FLAG + path);
  return {
    words: [
      ...words(user, env(deno, map.join(), [copy])),
      deno,
      "test",
      ...flags,
    ],
    options: { cwd: root, env: { PATH }, clearEnv: true },
    cage: [copy],
  };
}

async function run(suite: Suite): Promise<Count> {
  const { cage, options, words } = await runnerOf(suite);
  console.log(`\n== ${suite.name}${cage ? `: ${cage[0]}` : ""}`);
  const [program, ...args] = words;
  const child = new Deno.Command(program, {
    ...options,
    args: [...args, ...OPTIONS, ...suite.args],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const text = passOn(reader);
  const { success } = await child.status;
  // A process that a test left behind may hold the pipe open for ever.
  const timer = setTimeout(() => reader.cancel(), 2000);
  const count = countOf(await text, success);
  clearTimeout(timer);
  return count;
}

/** Shows what comes, and gives it back. */
async function passOn(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value } = await reader.read();
    if (value === undefined) return text;
    text += decoder.decode(value, { stream: true });
    for (let at = 0; at < value.length;) {
      at += await Deno.stdout.write(value.subarray(at));
    }
  }
}

/** A run that failed in another way than by a test counts as a failed test. */
function countOf(text: string, success: boolean): Count {
  const plain = stripVTControlCharacters(text);
  const last = [...plain.matchAll(SUMMARY)].at(-1)?.groups ?? {};
  const { passed = 0, failed = 0, skipped = 0 } = last;
  const at = plain.lastIndexOf(ERRORS);
  const errors = success ? "" : plain.slice(at < 0 ? -LAST : at);
  const count = { passed: +passed, failed: +failed, skipped: +skipped, errors };
  return success || count.failed > 0 ? count : { ...count, failed: 1 };
}

/** What Deno puts before the texts of all errors. */
const ERRORS = "\n ERRORS \n";

/** How many characters are shown of a run that did not get so far. */
const LAST = 2000;

const STEPS = String.raw`(?: \(\d+ steps?\))?`;
const SUMMARY = new RegExp(
  String.raw`^(?:ok|FAILED) \| (?<passed>\d+) passed${STEPS} ` +
    String.raw`\| (?<failed>\d+) failed${STEPS}` +
    String.raw`(?: \| (?<skipped>\d+) ignored)?`,
  "gm",
);

/** Tells why a suite cannot be run here. */
function whyNot({ needs, user }: Suite): string | undefined {
  if (needs && !existsSync(join(ROOT, needs))) return `there is no ${needs}`;
  if (user && Deno.uid() !== 0) return "only root can make a user for it";
  return undefined;
}

const counts: Count[] = [];
try {
  for (const suite of SUITES) {
    if (names.length > 0 && !names.includes(suite.name)) continue;
    const why = whyNot(suite);
    if (why !== undefined) console.log(`\n== ${suite.name}: left out: ${why}`);
    else counts.push(await run(suite));
  }
} finally {
  stage?.[Symbol.dispose]();
}
// Once more at the end, where somebody looks who has the end only.
for (const { errors } of counts) {
  if (errors !== "") console.log(errors);
}
const sum = (key: "passed" | "failed" | "skipped") =>
  counts.reduce((total, count) => total + count[key], 0);
const skipped = sum("skipped") > 0 ? `, ${sum("skipped")} skipped` : "";
console.log(`\n${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
Deno.exit(sum("failed") === 0 && sum("passed") > 0 ? 0 : 1);
