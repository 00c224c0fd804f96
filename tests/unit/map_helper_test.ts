import { assertEquals, assertThrows } from "@std/assert";
import { P_ALL, WEXITED, WNOHANG } from "../../ffi/constants.ts";
import { syscall, SyscallError } from "../../ffi/libc.ts";
import { MapHelper } from "../../src/map_helper.ts";

Deno.test("MapHelper leaves no process behind when nobody waited for it", () => {
  new MapHelper("/bin/true", [], "/etc/subuid")[Symbol.dispose]();
  const error = assertThrows(
    () => syscall("waitid", P_ALL, 0, 0, WEXITED | WNOHANG, 0),
    SyscallError,
  );
  assertEquals(error.code, "ECHILD");
});
