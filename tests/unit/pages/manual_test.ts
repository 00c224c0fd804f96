import { assertEquals, assertStringIncludes } from "@std/assert";
import { manualPage } from "../../../.ci/pages/manual.ts";
import { OPTIONS } from "../../../src/options.ts";
import { has, inTempDir, output } from "../ffi/tools.ts";

/** A letter is struck twice to be bold, and underlined by an underscore. */
const STRUCK = new RegExp(".\b", "g");

Deno.test("manualPage() is a page that mandoc has nothing to say about", async () => {
  if (!await has("mandoc")) return;
  await inTempDir(async (directory) => {
    const page = `${directory}/cage.1`;
    await Deno.writeTextFile(page, manualPage());
    const { stdout } = await output(
      "mandoc",
      "-T",
      "lint",
      "-W",
      "style",
      page,
    );
    assertEquals(stdout, "");
  });
});

Deno.test("manualPage() shows each option as it is written", async () => {
  if (!await has("mandoc")) return;
  await inTempDir(async (directory) => {
    const page = `${directory}/cage.1`;
    await Deno.writeTextFile(page, manualPage());
    const { stdout } = await output("mandoc", "-T", "ascii", page);
    const shown = stdout.replace(STRUCK, "").replace(/\s+/g, " ");
    for (const { help, long } of OPTIONS) {
      assertStringIncludes(shown, `--${long}`);
      assertStringIncludes(
        shown.replaceAll("- ", "-"),
        `${help}.`.replaceAll("- ", "-"),
      );
    }
  });
});
