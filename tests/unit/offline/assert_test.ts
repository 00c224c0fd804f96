import * as std from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as standIn from "../../../.ci/offline/assert.ts";

type Assert = typeof standIn;

for (const assert of new Set<Assert>([std, standIn])) {
  const isStandIn = assert === standIn;
  describe(
    isStandIn ? "the stand-in for @std/assert" : "@std/assert",
    () => tests(assert),
  );
}

/** What went wrong, without colours and the picture of the difference. */
async function messageOf(run: () => unknown): Promise<string | undefined> {
  try {
    await run();
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message.split("\n")[0]}`;
  }
}

/** What each kind of assertion is shown with, by the way it must go. */
function tests(assert: Assert): void {
  const expectMessage = async (
    run: () => unknown,
    message: string | undefined,
  ) => {
    const actual = await messageOf(run);
    if (actual !== message) throw new Error(`"${actual}" is not "${message}"`);
  };
  const passes = (run: () => unknown) => expectMessage(run, undefined);
  const fails = (run: () => unknown, message: string) =>
    expectMessage(run, `AssertionError: ${message}`);

  it("assert() takes what is truthy", async () => {
    await passes(() => assert.assert([]));
    await fails(() => assert.assert(0), "");
    await fails(() => assert.assert("", "why"), "why");
  });

  it("assertEquals() and assertNotEquals() compare deeply", async () => {
    for (const [a, b] of EQUAL) {
      await passes(() => assert.assertEquals(a, b));
      await passes(() => assert.assertEquals(b, a));
      if ((await messageOf(() => assert.assertNotEquals(a, b))) === undefined) {
        throw new Error(`${Deno.inspect(a)} is not ${Deno.inspect(b)}`);
      }
    }
    for (const [a, b] of UNEQUAL) {
      await fails(() => assert.assertEquals(a, b), "Values are not equal.");
      await fails(() => assert.assertEquals(b, a), "Values are not equal.");
      await passes(() => assert.assertNotEquals(a, b));
    }
  });

  it("assertEquals() takes a cycle", async () => {
    const ring = () => {
      const node: Record<string, unknown> = { a: 1 };
      node.next = node;
      return node;
    };
    await passes(() => assert.assertEquals(ring(), ring()));
  });

  it("assertEquals() and assertNotEquals() say why", async () => {
    await fails(
      () => assert.assertEquals(1, 2, "why"),
      "Values are not equal: why",
    );
    await fails(
      () => assert.assertNotEquals(1, 1, "why"),
      "Expected actual: 1 not to be: 1: why",
    );
  });

  it("assertStringIncludes() and assertMatch() read", async () => {
    await passes(() => assert.assertStringIncludes("abc", "bc"));
    await fails(
      () => assert.assertStringIncludes("abc", "x", "why"),
      'Expected actual: "abc" to contain: "x": why',
    );
    await passes(() => assert.assertMatch("abc", /^a/));
    await fails(
      () => assert.assertMatch("abc", /^b/),
      'Expected actual: "abc" to match: "/^b/".',
    );
  });

  const throwError = () => {
    throw new RangeError("too far");
  };

  it("assertThrows() gives the error", async () => {
    await passes(() => assert.assertThrows(throwError));
    await passes(() => assert.assertThrows(throwError, Error, "far"));
    const error = assert.assertThrows(throwError, RangeError);
    if (error.message !== "too far") throw error;
  });

  it("assertThrows() refuses another error or none", async () => {
    await fails(
      () => assert.assertThrows(() => {}),
      "Expected function to throw.",
    );
    await fails(
      () => assert.assertThrows(throwError, TypeError),
      'Expected error to be instance of "TypeError", but was "RangeError".',
    );
    await fails(
      () => assert.assertThrows(throwError, RangeError, "near", "why"),
      'Expected error message to include "near", but got "too far": why',
    );
    await fails(
      () =>
        assert.assertThrows(() => {
          throw "text";
        }, Error),
      "A non-Error object was thrown.",
    );
  });

  it("assertRejects() gives the error", async () => {
    const reject = () => Promise.reject(new RangeError("too far"));
    await passes(() => assert.assertRejects(reject));
    await passes(() => assert.assertRejects(reject, Error, "far"));
    const error = await assert.assertRejects(reject, RangeError);
    if (error.message !== "too far") throw error;
  });

  it("assertRejects() refuses another error, none, or a thrown one", async () => {
    await fails(
      () => assert.assertRejects(() => Promise.resolve()),
      "Expected function to reject.",
    );
    await fails(
      () => assert.assertRejects(throwError),
      "Function throws when expected to reject.",
    );
    await fails(
      () => assert.assertRejects(() => Promise.reject(1), Error),
      "A non-Error object was rejected.",
    );
  });
}

class Point {
  constructor(readonly x: number) {}
}

class Other {
  constructor(readonly x: number) {}
}

const EQUAL: [unknown, unknown][] = [
  [1, 1],
  [NaN, NaN],
  [0, -0],
  ["a", "a"],
  [{}, Object.create(null)],
  [{ a: 1, b: [2] }, { b: [2], a: 1 }],
  [[undefined], [undefined]],
  [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  [new Uint8Array([1]).buffer, new Uint8Array([1]).buffer],
  [new Set([1, "a"]), new Set(["a", 1])],
  [new Set([[1]]), new Set([[1]])],
  [new Map([["a", [1]]]), new Map([["a", [1]]])],
  [new Map([[[1], 2]]), new Map([[[1], 2]])],
  [new Date(5), new Date(5)],
  [/a/g, /a/g],
  [new URL("a:b"), new URL("a:b")],
  [new Point(1), new Point(1)],
  [/(?<a>.)/.exec("x")?.groups, { a: "x" }],
];

const UNEQUAL: [unknown, unknown][] = [
  [1, 2],
  [1, "1"],
  [1, 1n],
  [null, undefined],
  [null, {}],
  [{ a: undefined }, {}],
  [{ a: 1 }, { a: 2 }],
  [{ a: undefined, b: 1 }, { b: 1, c: undefined }],
  [[1, 2], [2, 1]],
  [[], {}],
  [() => {}, () => {}],
  [new Uint8Array([1, 2]), new Uint8Array([1, 3])],
  [new Uint8Array([1]), [1]],
  [new Uint8Array([1]), new Int8Array([1])],
  [new Set([1]), new Set([2])],
  [new Set([[1]]), new Set([[2]])],
  [new Map([["a", 1]]), new Map([["a", 2]])],
  [new Map([["a", 1]]), new Map([["b", 1]])],
  [new Date(5), new Date(6)],
  [/a/g, /a/],
  [new URL("a:b"), new URL("a:c")],
  [new Point(1), new Point(2)],
  [new Point(1), new Other(1)],
  [new Point(1), { x: 1 }],
  [new Error("a"), new Error("b")],
  [new Error("a"), new TypeError("a")],
];
