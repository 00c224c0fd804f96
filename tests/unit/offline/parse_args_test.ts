import { assertEquals, assertThrows } from "@std/assert";
import * as std from "@std/cli/parse-args";
import { describe, it } from "@std/testing/bdd";
import * as standIn from "../../../.ci/offline/parse_args.ts";

type Parse = (
  args: readonly string[],
  options: { string?: string[]; collect?: string[]; boolean?: string[] },
) => unknown;

for (
  const parseArgs of new Set([std.parseArgs, standIn.parseArgs] as Parse[])
) {
  const isStandIn = parseArgs === standIn.parseArgs;
  describe(
    isStandIn ? "the stand-in for parseArgs()" : "parseArgs()",
    () => tests(parseArgs),
  );
}

function tests(parseArgs: Parse): void {
  it("gives false and empty lists for what is absent", () => {
    assertEquals(
      parseArgs([], { string: ["a", "b"], collect: ["b"], boolean: ["c"] }),
      { _: [], b: [], c: false },
    );
  });

  it("keeps the values of repeated options in order", () => {
    assertEquals(
      parseArgs(["--env=A=1", "--env=B= x\ny", "--env=--z"], {
        string: ["env"],
        collect: ["env"],
      }),
      { _: [], env: ["A=1", "B= x\ny", "--z"] },
    );
  });

  it("takes the last value of an option that is not repeated", () => {
    assertEquals(
      parseArgs(["--name=a", "--name=b"], { string: ["name"] }),
      { _: [], name: "b" },
    );
  });

  it("does not read texts as numbers or truth", () => {
    assertEquals(
      parseArgs(["--a=1", "--b=true", "--b=0x1"], {
        string: ["a", "b"],
        collect: ["b"],
      }),
      { _: [], a: "1", b: ["true", "0x1"] },
    );
  });

  it("takes a flag without a value, also one that begins with no-", () => {
    assertEquals(
      parseArgs(["--kill", "--no-init", "--kill"], {
        boolean: ["kill", "no-init", "help"],
      }),
      { _: [], kill: true, "no-init": true, help: false },
    );
  });

  it("takes several options together", () => {
    assertEquals(
      parseArgs(["--a=x", "--k", "--b=y", "--a=z"], {
        string: ["a", "b"],
        collect: ["a"],
        boolean: ["k"],
      }),
      { _: [], a: ["x", "z"], b: "y", k: true },
    );
  });
}

Deno.test("the stand-in for parseArgs() refuses what it would read otherwise", () => {
  const cases: [string[], Record<string, unknown>, string][] = [
    [[], { alias: {} }, 'the option "alias"'],
    [[], { collect: ["a"] }, '"a", which has no type'],
    [["--a"], { string: ["a"] }, 'the word "--a"'],
    [["--a="], { string: ["a"] }, 'the word "--a="'],
    [["--k=true"], { boolean: ["k"] }, 'the word "--k=true"'],
    [["--no-x=1"], { string: ["no-x"] }, 'the word "--no-x=1"'],
    [["--x.y=1"], { string: ["x.y"] }, 'the word "--x.y=1"'],
    [["--unknown"], {}, 'the word "--unknown"'],
    [["-a"], { boolean: ["a"] }, 'the word "-a"'],
    [["--"], {}, 'the word "--"'],
    [["word"], {}, 'the word "word"'],
  ];
  for (const [args, options, what] of cases) {
    assertThrows(
      () => standIn.parseArgs(args, options),
      TypeError,
      `The stand-in for parseArgs cannot read ${what}`,
    );
  }
});
