import { assertEquals } from "@std/assert";
import {
  bashCompletion,
  fishCompletion,
  zshCompletion,
} from "../../../.ci/pages/completions.ts";
import { OPTIONS } from "../../../src/options.ts";
import { has, inTempDir, output } from "../ffi/tools.ts";

const ALL = OPTIONS.map(({ long }) => `--${long}`).sort();

Deno.test("bashCompletion() offers options, values of theirs, and then commands", async () => {
  if (!await has("bash")) return;
  assertEquals((await ofBash("cage", "--")).toSorted(), ALL);
  assertEquals(await ofBash("cage", "-k", "--no-i"), ["--no-init"]);
  assertEquals(await ofBash("cage", "-u", "roo"), ["root"]);
  assertEquals(await ofBash("cage", "-l", "/us"), ["/usr"]);
  assertEquals(await ofBash("cage", "-e", "/us"), []);
  assertEquals(await ofBash("cage", "-n", "x", "tru").then(first), "true");
  assertEquals(await ofBash("cage", "--", "tru").then(first), "true");
  // Words of the command are the command's.
  assertEquals(await ofBash("cage", "ls", "--no-i"), []);
  assertEquals(await ofBash("cage", "ls", "/us"), ["/usr"]);
});

Deno.test("fishCompletion() offers options, values of theirs, and commands", async () => {
  if (!await has("fish")) return;
  const offered = await ofFish("cage --");
  assertEquals(offered.filter((word) => word.startsWith("--")).sort(), ALL);
  assertEquals(await ofFish("cage -u roo"), ["root"]);
  assertEquals(await ofFish("cage -e roo"), []);
  assertEquals((await ofFish("cage -- tru")).includes("true"), true);
});

Deno.test("zshCompletion() is a function that zsh can load", async () => {
  if (!await has("zsh")) return;
  await inTempDir(async (directory) => {
    await Deno.writeTextFile(`${directory}/_cage`, zshCompletion());
    const { stdout } = await output(
      ...["zsh", "-f", "-c"] as const,
      'fpath=("$1" $fpath); autoload -Uz compinit; compinit -u -D; ' +
        'autoload +X _cage && echo "$_comps[cage]"',
      "zsh",
      directory,
    );
    assertEquals(stdout, "_cage\n");
  });
});

/** What is offered for the last word. */
async function ofBash(...words: string[]): Promise<string[]> {
  const script = `${bashCompletion()}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cage
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await output("bash", "-c", script, "bash", ...words);
  return stdout.split("\n").filter((word) => word !== "");
}

/** As for a user who has nothing configured. */
async function ofFish(line: string): Promise<string[]> {
  const script = `${fishCompletion()}
complete -C "${line}"`;
  const { stdout } = await output("fish", "-N", "-c", script);
  return stdout.split("\n").map((row) => row.split("\t")[0])
    .filter((word) => word !== "");
}

function first(words: string[]): string {
  return words.toSorted()[0];
}
