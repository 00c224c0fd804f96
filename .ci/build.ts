/**
 * Builds the program as one file.
 *
 * ```text
 * deno run -A .ci/build.ts [--import-map=FILE] [--entry=main.ts] -o bin/cage
 * ```
 *
 * The program is bundled into a script for what every launch needs, and others
 * for what is loaded when it is needed. They are put behind the entry guard
 * (`ffi/guard.ts`) in one of two ways:
 *
 * - `deno compile` joins them to the runtime base, where that can be had;
 * - otherwise they travel in the environment that the guard gives to the full
 *   `deno`, whose arguments are a few words that run the first.
 *
 * Both start with the same environment, and equal inputs give equal bytes.
 * The guard comes last, since it must be told where `deno compile` has moved
 * the program headers.
 *
 * @module
 */

import { basename } from "node:path";
import { parseArgs } from "node:util";
import { addGuard } from "../ffi/guard.ts";
import { joinScripts, type Scripts } from "./build/join.ts";
import { LOADER } from "./build/script.ts";

/** What is built from what. */
export interface BuildOptions {
  /** The main module. */
  readonly entry: string;
  /** The program file to write. */
  readonly output: string;
  /** The import map, if not that of `deno.json`. */
  readonly importMap?: string;
  /** Leave the runtime base alone, as if it could not be had. */
  readonly full?: boolean;
}

/** Which of the two ways it was, and why. */
export interface Built {
  /** Whether it is the runtime base or the full `deno`. */
  readonly kind: "base" | "full";
  /** Why it is not the base. */
  readonly reason?: string;
  /** Bytes of the file. */
  readonly size: number;
}

// Nothing of this is the caller's. With no home directory the runtime would
// ask for that of the real user, whose caches it would believe; /dev/null
// holds no cache.
const ENVIRONMENT: Readonly<Record<string, string>> = {
  // Or the runtime says on a terminal that there is no cache.
  DENO_LOG: "off",
  DENO_DIR: "/dev/null",
  DENO_NODE_SHIM_ACTIVE: "1",
  DENO_NO_UPDATE_CHECK: "1",
  HOME: "/",
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
};

// Nothing is looked up, fetched or kept, and no file but the program is read.
const RUN_ARGUMENTS: readonly string[] = [
  "run",
  "--allow-all",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--no-code-cache",
  "--quiet",
];

// Before the name of each script.
const VARIABLE = "CAGE_SCRIPT_";

// `MAX_ARG_STRLEN` of linux/binfmts.h, less the name and a NUL: more does not
// fit into a variable.
const MOST = (1 << 17) - 100;

const START = (first: readonly string[]) =>
  "const F=Object.getPrototypeOf(async()=>{}).constructor," +
  `l=(n)=>l.of[n]??=F("${LOADER}",t("${VARIABLE}"+n))(l),` +
  "t=(v)=>{const s=Deno.env.get(v);Deno.env.delete(v);return s};" +
  `l.of={};${first.map((name) => `await l("${name}");`).join("")}`;

// What can be fetched is fetched within this time, on a slow line too; what
// cannot be reached fails at once.
const COMPILE_SECONDS = 300;

/**
 * Builds the program.
 *
 * @param options What from what.
 * @returns How it was built.
 * @throws {Error} If a tool fails, with what it said.
 */
export async function build(options: BuildOptions): Promise<Built> {
  const directory = await Deno.makeTempDir({ prefix: "cage-build-" });
  try {
    const main = basename(options.entry, ".ts");
    await bundleTo(directory, options);
    const compiled = options.full
      ? "it was not asked for"
      : await compile(directory, main);
    const file = typeof compiled === "string"
      ? await guardFull(joinScripts(await files(directory), main, MOST))
      : guardBase(compiled);
    await put(options.output, file, 0o755);
    return typeof compiled === "string"
      ? { kind: "full", reason: compiled, size: file.length }
      : { kind: "base", size: file.length };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

// What is imported when it is needed comes to be in files of its own.
async function bundleTo(
  directory: string,
  options: BuildOptions,
): Promise<void> {
  // Names are shortened and comments left out, which would tell paths.
  const words = ["bundle", "--minify", "--code-splitting", "--quiet"];
  words.push(`--outdir=${directory}`);
  if (options.importMap) words.push(`--import-map=${options.importMap}`);
  const { success, text } = await deno([...words, options.entry]);
  if (!success) throw new Error(`Cannot bundle ${options.entry}: ${text}`);
}

// The files of a bundle by their names.
async function files(directory: string): Promise<Map<string, string>> {
  const names = (await Array.fromAsync(Deno.readDir(directory)))
    .map(({ name }) => name).sort();
  const read = async (name: string): Promise<[string, string]> => [
    name.replace(/\.js$/, ""),
    await Deno.readTextFile(`${directory}/${name}`),
  ];
  return new Map(await Promise.all(names.map(read)));
}

// Gives the reason if there is no runtime base. The directory is new and
// holds nothing but the bundle: what is beside it could be embedded.
async function compile(
  directory: string,
  main: string,
): Promise<Uint8Array<ArrayBuffer> | string> {
  // The times are kept in the result.
  for await (const { name } of Deno.readDir(directory)) {
    await Deno.utime(`${directory}/${name}`, 0, 0);
  }
  const { success, text } = await deno([
    "compile",
    "--allow-all",
    "--no-config",
    "--no-lock",
    "--no-remote",
    "--no-npm",
    "--no-check",
    "--no-code-cache",
    "--quiet",
    "--output=cage",
    `${main}.js`,
  ], directory);
  if (!success) return reasonOf(text);
  await refuseFullBase(`${directory}/cage`);
  return await Deno.readFile(`${directory}/cage`);
}

// The full deno looks for no embedded program: its caller's arguments would
// be its orders. It becomes the base where DENORT_BIN says so.
async function refuseFullBase(program: string): Promise<void> {
  const { stdout } = await new Deno.Command(program, {
    args: ["--version"],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stderr: "null",
  }).output();
  if (!new TextDecoder().decode(stdout).startsWith("deno ")) return;
  throw new Error(
    "Cannot build: the runtime base is the full deno, which would take " +
      "orders from its arguments: unset DENORT_BIN",
  );
}

function guardBase(base: Uint8Array): Uint8Array<ArrayBuffer> {
  return addGuard(base, { arguments: ["cage"], environment: ENVIRONMENT });
}

async function guardFull(
  { first, later }: Scripts,
): Promise<Uint8Array<ArrayBuffer>> {
  const joined = first.map((script, index) => [`${index}`, script] as const);
  const variables = [...joined, ...later].map(([name, script]) =>
    [VARIABLE + name, script] as const
  );
  const names = joined.map(([name]) => name);
  const start = `data:text/javascript,${encodeURIComponent(START(names))}`;
  return addGuard(await Deno.readFile(Deno.execPath()), {
    // The runtime is another program where its name is another.
    arguments: ["deno", ...RUN_ARGUMENTS, start],
    environment: { ...ENVIRONMENT, ...Object.fromEntries(variables) },
  });
}

// A file that runs cannot be written to, but another may take its name.
async function put(
  path: string,
  bytes: Uint8Array,
  mode: number,
): Promise<void> {
  const temporary = `${path}.new`;
  await Deno.writeFile(temporary, bytes);
  await Deno.chmod(temporary, mode);
  await Deno.rename(temporary, path);
}

async function deno(
  args: string[],
  cwd?: string,
): Promise<{ success: boolean; text: string }> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    signal: AbortSignal.timeout(COMPILE_SECONDS * 1000),
  }).output();
  return { success, text: new TextDecoder().decode(stderr).trim() };
}

// The innermost of the causes that deno lists, without the stack.
function reasonOf(text: string): string {
  const [causes] = text.split("\n\nStack backtrace");
  const last = causes.trim().split("\n").at(-1) ?? "";
  return last.replace(/^[\s\d:]+/, "") || "deno compile gave no reason";
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      output: { type: "string", short: "o" },
      entry: { type: "string", default: "main.ts" },
      "import-map": { type: "string" },
      full: { type: "boolean" },
    },
  });
  if (values.output === undefined) {
    throw new Error("Cannot build: name the file with -o");
  }
  const built = await build({
    entry: values.entry,
    output: values.output,
    importMap: values["import-map"],
    full: values.full,
  });
  const size = `${(built.size / 1e6).toFixed(0)} MB`;
  console.log(
    built.kind === "base"
      ? `${values.output}: compiled, guarded, ${size}`
      : `${values.output}: the full deno, guarded, ${size} ` +
        `(no runtime base: ${built.reason})`,
  );
}

if (import.meta.main) await main();
