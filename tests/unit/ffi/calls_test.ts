import { assert, assertEquals } from "@std/assert";
import type { Arch } from "../../../ffi/arch.ts";
import { callNumber, isSystemCall, SYSTEM_CALLS } from "../../../ffi/calls.ts";

const HEADERS: Record<Arch, string> = {
  x86_64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  aarch64: "/usr/include/asm-generic/unistd.h",
};

for (const [arch, path] of Object.entries(HEADERS) as [Arch, string][]) {
  Deno.test(`callNumber() of ${arch} gives the numbers of the kernel's header`, async () => {
    const text = await readHeader(path);
    if (text === undefined) return;
    const numbers = new Map(
      [...text.matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm)]
        .map(([, name, number]) => [name, Number(number)]),
    );
    for (const call of SYSTEM_CALLS) {
      assertEquals(callNumber(call, arch), numbers.get(call), call);
    }
  });

  Deno.test(`callNumber() of ${arch} gives no number twice`, () => {
    const numbers = SYSTEM_CALLS.map((call) => callNumber(call, arch));
    assertEquals(new Set(numbers).size, SYSTEM_CALLS.length);
  });
}

Deno.test("isSystemCall() knows no load and nothing of an object", () => {
  assert(isSystemCall("mount"));
  assert(!isSystemCall("load"));
  assert(!isSystemCall("toString"));
});

async function readHeader(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`skipped: there is no ${path}`);
  }
}
