import { assertEquals, assertThrows } from "@std/assert";
import { functionBody, LOADER } from "../../../.ci/build/script.ts";

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

Deno.test("functionBody() loads other files of the bundle, some when they are needed", async () => {
  const asked: string[] = [];
  const load = (name: string) => {
    asked.push(name);
    return Promise.resolve({ a: name });
  };
  const body = functionBody(
    'import{a as x}from"./first-A1.js";import"./second.js";' +
      'globalThis.functionBodyTest=()=>import("./later-B2.js");' +
      "var y=x;export{y as z};",
  );
  const { z } = await new AsyncFunction(LOADER, body)(load);
  assertEquals([z, ...asked], ["first-A1", "first-A1", "second"]);
  const later = Reflect.get(globalThis, "functionBodyTest");
  Reflect.deleteProperty(globalThis, "functionBodyTest");
  assertEquals(await later(), { a: "later-B2" });
});

Deno.test("functionBody() is the main module, strict, and returns what it exports", async () => {
  const body = functionBody(
    "var x=1;if(import.meta.main)await 0,x=typeof this;" +
      "globalThis.functionBodyTest=x;export{x as default,x};\n",
  );
  const returned = await new AsyncFunction(body)();
  assertEquals(returned, { default: "undefined", x: "undefined" });
  assertEquals(Reflect.get(globalThis, "functionBodyTest"), "undefined");
  Reflect.deleteProperty(globalThis, "functionBodyTest");
});

Deno.test("functionBody() refuses what a function cannot do", () => {
  const modules = [
    'import{a}from"../other.js";a();',
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
