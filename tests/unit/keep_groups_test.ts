import { assertEquals } from "@std/assert";
import { callNumber } from "../../ffi/calls.ts";
import { keepGroupsFilter } from "../../src/keep_groups.ts";
import { loadFilter } from "./bpf.ts";

const ALLOW = 0x7fff0000;
const SUCCEED = 0x00050000;

Deno.test("keepGroupsFilter() answers setgroups with success and nothing else", () => {
  for (const arch of ["x86_64", "aarch64"] as const) {
    const run = loadFilter(keepGroupsFilter(arch));
    const setgroups = callNumber("setgroups", arch);
    for (let number = 0; number < 500; number++) {
      const { value } = run({ number, arch: 0 });
      assertEquals(value, number === setgroups ? SUCCEED : ALLOW);
    }
  }
});
