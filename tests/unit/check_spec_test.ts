import { assertThrows } from "@std/assert";
import { checkSpec } from "../../src/check_spec.ts";
import { UsageError } from "../../src/errors.ts";
import type { ContainerSpec } from "../../src/spec.ts";

Deno.test("checkSpec() refuses what no command line could have given", () => {
  const volume = (inside: string) => ({
    volumes: [{ host: "/srv", inside, readOnly: false }],
  });
  const cases: [ContainerSpec, string][] = [
    [{ name: "../x" }, 'Cannot use "../x" as a name'],
    [{ user: "a:" }, 'Cannot use user "a:"'],
    [{ group: "4294967295" }, 'Cannot use id "4294967295"'],
    [{ env: ["A"] }, 'Cannot set environment variable "A"'],
    [volume("/a/../../etc"), '"/a/../../etc", is not normalised'],
    [volume("a"), '"a", is not normalised'],
    [volume("/"), '"/", is not normalised'],
  ];
  for (const [spec, message] of cases) {
    assertThrows(() => checkSpec(spec), UsageError, message);
  }
});

Deno.test("checkSpec() takes every value that is as it should be", () => {
  checkSpec({});
  checkSpec({
    name: "web",
    user: "alice:staff",
    group: "audio",
    env: ["A="],
    volumes: [{ host: "x", inside: "/a/..b", readOnly: true }],
  });
});
