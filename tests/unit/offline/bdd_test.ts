import { assertEquals } from "@std/assert";
import * as std from "@std/testing/bdd";
import * as standIn from "../../../.ci/offline/bdd.ts";

const logs: string[][] = [];

for (const bdd of new Set<typeof standIn>([std, standIn])) {
  const log: string[] = [];
  logs.push(log);
  const note = (what: string) => () => void log.push(what);
  const isStandIn = bdd === standIn;
  bdd.describe(isStandIn ? "the stand-in's describe()" : "describe()", () => {
    bdd.beforeAll(note("beforeAll"));
    bdd.beforeEach(note("beforeEach"));
    bdd.afterEach(note("afterEach"));
    bdd.afterAll(note("afterAll"));
    bdd.it("runs a test", note("test"));
    bdd.describe("holds a group", () => {
      bdd.beforeAll(note("inner beforeAll"));
      bdd.beforeEach(note("inner beforeEach"));
      bdd.afterEach(note("inner afterEach"));
      bdd.afterAll(note("inner afterAll"));
      bdd.it("runs a test in it", note("inner test"));
    });
  });
  bdd.it("a test stands alone", note("alone"));
}

Deno.test("describe() runs hooks around tests, the outer ones outside", () => {
  for (const log of logs) {
    assertEquals(log, [
      "beforeAll",
      "beforeEach",
      "test",
      "afterEach",
      "inner beforeAll",
      "beforeEach",
      "inner beforeEach",
      "inner test",
      "inner afterEach",
      "afterEach",
      "inner afterAll",
      "afterAll",
      "alone",
    ]);
  }
});
