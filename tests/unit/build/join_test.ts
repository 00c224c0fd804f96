import { assertEquals } from "@std/assert";
import { joinScripts } from "../../../.ci/build/join.ts";
import { alwaysLoaded, LOADER } from "../../../.ci/build/script.ts";

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

const FILES = new Map([
  ["a", 'import{x as y}from"./b.js";var z=`a${y}`;export{z};'],
  ["b", 'import"./c.js";var x="b";globalThis.joinTest.push(x);export{x};'],
  ["c", 'globalThis.joinTest.push("c");'],
  ["later", 'import{z}from"./a.js";var l=`l${z}`;export{l};'],
  [
    "main",
    'import{x}from"./b.js";import{z}from"./a.js";' +
    'globalThis.joinTest.push(x,z);let{l}=await import("./later.js");' +
    "globalThis.joinTest.push(l);",
  ],
]);

/** Runs a bundle, and gives what it has told. */
async function run(most: number): Promise<{ told: string[]; first: number }> {
  const { first, later } = joinScripts(FILES, "main", most);
  const told: string[] = [];
  Reflect.set(globalThis, "joinTest", told);
  const load = Object.assign(
    (name: string) =>
      load.of[name] ??= new AsyncFunction(LOADER, later.get(name))(load),
    { of: {} as Record<string, Promise<unknown>> },
  );
  try {
    for (const script of first) await new AsyncFunction(LOADER, script)(load);
  } finally {
    Reflect.deleteProperty(globalThis, "joinTest");
  }
  assertEquals([...later.keys()], ["later"]);
  return { told, first: first.length };
}

Deno.test("joinScripts() runs each file once, after those that it loads", async () => {
  const told = ["c", "b", "b", "ab", "lab"];
  assertEquals(await run(100_000), { told, first: 1 });
  // Each in one of its own.
  assertEquals(await run(1), { told, first: 4 });
});

Deno.test("alwaysLoaded() knows what is loaded when it is needed", () => {
  assertEquals(alwaysLoaded(FILES.get("main")!), ["b", "a"]);
  assertEquals(alwaysLoaded('import*as u from"node:util";u;'), []);
});
