/**
 * Does everything of publishing but the upload.
 *
 * Where JSR cannot be reached, it does so on a copy in which `@std` is what
 * stands in for it: `deno publish` knows of no import map but that of
 * `deno.json`.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const OFFLINE = ".ci/offline";

function dryRun(cwd: string): boolean {
  const { success, stderr, stdout } = new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd,
  }).outputSync();
  const shown = new TextDecoder().decode(stderr) +
    new TextDecoder().decode(stdout);
  const clean = success && !/\bwarning\b/i.test(shown);
  console.log(clean ? "Checked what is published" : shown);
  return clean;
}

function copyTo(directory: string): void {
  const config = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  for (const path of config.publish.include) copy(path, directory);
  copy(OFFLINE, directory);
  const map = Deno.readTextFileSync(join(ROOT, OFFLINE, "import_map.json"));
  const imports: Record<string, string> = JSON.parse(map).imports;
  config.imports = Object.fromEntries(
    Object.entries(imports).map(([name, path]) => [
      name,
      "./" + join(OFFLINE, path),
    ]),
  );
  config.publish.include.push(OFFLINE);
  Deno.writeTextFileSync(join(directory, "deno.json"), JSON.stringify(config));
}

function copy(path: string, directory: string): void {
  const { success } = new Deno.Command("cp", {
    args: ["-r", "--parents", path, directory],
    cwd: ROOT,
    stderr: "inherit",
  }).outputSync();
  if (!success) throw new Error(`Cannot copy "${path}"`);
}

if (Deno.args.some((arg) => arg.startsWith("--import-map="))) {
  const directory = Deno.makeTempDirSync();
  try {
    copyTo(directory);
    Deno.exitCode = dryRun(directory) ? 0 : 1;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
} else {
  Deno.exitCode = dryRun(ROOT) ? 0 : 1;
}
