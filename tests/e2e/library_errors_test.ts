import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  CommandError,
  InitScriptError,
  launch,
  LaunchError,
  UsageError,
} from "../../mod.ts";
import { test } from "./support/mod.ts";

test("launch() says by its error what kind of thing is wrong", async (t) => {
  const spec = { name: t.name, lower: [await t.root()], command: ["true"] };
  const script = `${t.scratch}/script`;
  Deno.writeTextFileSync(script, "exit 9\n");

  const command = { ...spec, command: ["nowhere"] };
  const notFound = await assertRejects(() => launch(command), CommandError);
  assertEquals(notFound.status, 127);

  const init = { ...spec, initScript: script };
  const failed = await assertRejects(() => launch(init), InitScriptError);
  assertEquals(failed.status, 9);

  const lower = { ...spec, lower: ["/nowhere"] };
  const missing = await assertRejects(() => launch(lower), LaunchError);
  assertEquals([missing.call, missing.errno], ["openat2", 2]);

  for (const wrong of [{ name: "a/b" }, { user: "nobody-here" }]) {
    const refused = { ...spec, ...wrong };
    const error = await assertRejects(() => launch(refused), UsageError);
    assert(!(error instanceof LaunchError));
  }
});
