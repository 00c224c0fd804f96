/**
 * Runs suites of tests, and adds up what they show.
 *
 * @module
 */

import { existsSync } from "@std/fs";
import { stripVTControlCharacters } from "node:util";
import { fromFileUrl, join, resolve } from "@std/path";

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
}

/** How many tests went how. */
interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const FLAG = "--import-map=";

/** The path of the import map in use; none where JSR is reached. */
const importMap = Deno.args.filter((arg) => arg.startsWith(FLAG))
  .map((arg) => resolve(ROOT, arg.slice(FLAG.length)));
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

const SUITES: readonly Suite[] = [
  { name: "unit", args: ["tests/unit"] },
  { name: "doc", args: ["--doc", "--ignore=src/library.ts", "src", "ffi"] },
  // These start containers, which takes root.
  { name: "doc-library", args: ["--doc", "src/library.ts", "mod.ts"] },
  { name: "e2e", needs: "tests/e2e", args: ["tests/e2e"], cage: BINARY },
  {
    name: "e2e-source",
    needs: "tests/e2e",
    // What is tested in these is the same whatever the command is.
    args: [
      "--ignore=" + ["guard", "hostile_root", "support"]
        .map((name) => `tests/e2e/${name}_test.ts`),
      "tests/e2e",
    ],
    cage: SOURCE,
  },
  {
    name: "security",
    needs: "tests/security",
    args: ["tests/security"],
    cage: BINARY,
  },
];

/** Deno looks for leaks of a test only when asked to. */
const OPTIONS = [
  "-A",
  "--permit-no-files",
  "--sanitize-ops",
  "--sanitize-resources",
];

async function run(suite: Suite): Promise<Count> {
  console.log(`\n== ${suite.name}${suite.cage ? `: ${suite.cage[0]}` : ""}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", ...OPTIONS, ...mapFlag, ...suite.args],
    cwd: ROOT,
    env: {
      ...Deno.stdout.isTerminal() && !Deno.noColor ? { FORCE_COLOR: "1" } : {},
      DENO: Deno.execPath(),
      IMPORT_MAP: importMap.join(),
      ...suite.cage ? { CAGE: JSON.stringify(suite.cage) } : {},
    },
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
  const count = { passed: +passed, failed: +failed, skipped: +skipped };
  return success || count.failed > 0 ? count : { ...count, failed: 1 };
}

const STEPS = String.raw`(?: \(\d+ steps?\))?`;
const SUMMARY = new RegExp(
  String.raw`^(?:ok|FAILED) \| (?<passed>\d+) passed${STEPS} ` +
    String.raw`\| (?<failed>\d+) failed${STEPS}` +
    String.raw`(?: \| (?<skipped>\d+) ignored)?`,
  "gm",
);

const counts: Count[] = [];
for (const suite of SUITES) {
  if (names.length > 0 && !names.includes(suite.name)) continue;
  if (suite.needs && !existsSync(join(ROOT, suite.needs))) continue;
  counts.push(await run(suite));
}
const sum = (key: keyof Count) =>
  counts.reduce((total, count) => total + count[key], 0);
const skipped = sum("skipped") > 0 ? `, ${sum("skipped")} skipped` : "";
console.log(`\n${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
Deno.exit(sum("failed") === 0 && sum("passed") > 0 ? 0 : 1);
