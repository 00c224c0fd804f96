import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
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

test("launch() and kill() refuse what only a program without types gives", async (t) => {
  const spec = { name: t.name, lower: [await t.root()], command: ["true"] };
  // deno-lint-ignore no-explicit-any
  for (const choice of ["pipe", 1.5, -1, null, {}] as any[]) {
    const options = { stdin: "piped", stdout: choice } as const;
    const error = await assertRejects(() => launch(spec, options), UsageError);
    assertMatch(error.message, /^Cannot use ".*" as stdout: use "inherit", /);
  }
  const container = await launch(spec);
  // deno-lint-ignore no-explicit-any
  for (const signal of ["NO", "toString", 9, null] as any[]) {
    assertThrows(() => container.kill(signal), UsageError, "Cannot send");
  }
  assertEquals((await container.status).code, 0);
  const cat = { ...spec, command: ["cat"] };
  const reading = await launch(cat, { stdin: "piped", stdout: "null" });
  // deno-lint-ignore no-explicit-any
  const writing = reading.stdin!.getWriter().write("a text" as any);
  await assertRejects(() => writing, UsageError, "use TextEncoder");
  // It has read to the end.
  assertEquals((await reading.status).code, 0);
});
