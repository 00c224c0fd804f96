import { assertEquals } from "@std/assert";
import {
  ERRNO,
  type ErrnoName,
  errnoName,
  errnoText,
} from "../../../ffi/errno.ts";

Deno.test("ERRNO and errnoName() are each other's inverse", () => {
  const names = Object.keys(ERRNO) as ErrnoName[];
  assertEquals(names.map((name) => errnoName(ERRNO[name])), names);
});

Deno.test("ERRNO has the numbers of asm-generic, not of another architecture", () => {
  const { EAGAIN, ENOTEMPTY, ELOOP, ENAMETOOLONG, EOVERFLOW } = ERRNO;
  assertEquals(
    [EAGAIN, ENOTEMPTY, ELOOP, ENAMETOOLONG, EOVERFLOW],
    [11, 39, 40, 36, 75],
  );
});

Deno.test("errnoText() has a text for every name and for other numbers", () => {
  for (const number of Object.values(ERRNO)) {
    assertEquals(errnoText(number).startsWith("Unknown"), false);
  }
  assertEquals(errnoText(0), "Unknown error 0");
  assertEquals(errnoText(41), "Unknown error 41");
});
