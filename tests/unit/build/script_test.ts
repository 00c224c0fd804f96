import { assertEquals, assertThrows } from "@std/assert";
import { functionBody } from "../../../.ci/build/script.ts";

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

Deno.test("functionBody() turns imports of built-in modules into statements", async () => {
  const body = functionBody(
    'import{join as j,basename}from"node:path";import*as u from"node:util";' +
      'import p from"node:path/posix";import q,{sep as s}from"node:path";' +
      'import"node:url";' +
      'return [j("a","b"),basename("/c"),typeof u.inspect,p.sep,q.sep,s];',
  );
  assertEquals(await new AsyncFunction(body)(), [
    ...["a/b", "c", "function", "/", "/", "/"],
  ]);
});

Deno.test("functionBody() is the main module, strict, and exports nothing", async () => {
  const body = functionBody(
    "var x=1;if(import.meta.main)await 0,x=typeof this;" +
      "globalThis.functionBodyTest=x;export{x as default,x};\n",
  );
  await new AsyncFunction(body)();
  assertEquals(Reflect.get(globalThis, "functionBodyTest"), "undefined");
  Reflect.deleteProperty(globalThis, "functionBodyTest");
});

Deno.test("functionBody() refuses what a function cannot do", () => {
  const modules = [
    'import{a}from"./other.js";a();',
    'import{a}from"npm:other";a();',
    "console.log(import.meta.url);",
    "export default 1;",
    'f();import"node:path";',
  ];
  for (const module of modules) {
    assertThrows(
      () => functionBody(module),
      TypeError,
      "Cannot build: the bundle has what a function cannot do",
    );
  }
});
