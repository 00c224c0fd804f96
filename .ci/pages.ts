/**
 * Writes the manual page and the completions of shells.
 *
 * ```text
 * deno run -A .ci/pages.ts bin/share
 * ```
 *
 * The directory is laid out as below `PREFIX/share`.
 *
 * @module
 */

import { dirname } from "node:path";
import {
  bashCompletion,
  fishCompletion,
  zshCompletion,
} from "./pages/completions.ts";
import { manualPage } from "./pages/manual.ts";

async function main([directory]: string[]): Promise<void> {
  const files = {
    "man/man1/cage.1": manualPage(),
    "bash-completion/completions/cage": bashCompletion(),
    "zsh/site-functions/_cage": zshCompletion(),
    "fish/vendor_completions.d/cage.fish": fishCompletion(),
  };
  for (const [name, text] of Object.entries(files)) {
    const path = `${directory}/${name}`;
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
}

if (import.meta.main) await main(Deno.args);
