import { assertEquals } from "@std/assert";
import { argumentText, numberText } from "../../src/explain_values.ts";

Deno.test("numberText() names what a number is for its call alone", () => {
  const cases = [
    ["mount", 3, 0x1000n, "MS_BIND"],
    ["mount", 3, 0x9000n, "MS_BIND | 0x8000"],
    ["mkdirat", 2, 0o755n, "0o755"],
    // Has the number of an argument of PR_CAP_AMBIENT too.
    ["prctl", 0, 4n, "PR_SET_DUMPABLE"],
    ["prctl", 1, 4n, "4"],
    // Has the number of a seal too.
    ["fcntl", 1, 2n, "F_SETFD"],
    ["rt_sigaction", 0, 13n, "SIGPIPE"],
    ["move_mount", 4, 4n, "MOVE_MOUNT_F_EMPTY_PATH"],
    ["execveat", 4, 0x1000n, "AT_EMPTY_PATH"],
    ["close", 0, 0x1000n, "0x1000"],
    ["dup3", 0, 2n ** 64n - 1n, "-1"],
  ] as const;
  for (const [call, index, value, text] of cases) {
    assertEquals(numberText(call, index, value), text, call);
  }
});

Deno.test("argumentText() leaves what it does not know to others", () => {
  assertEquals(argumentText("openat2", 2, new Uint8Array(8)), undefined);
  assertEquals(argumentText("write", 1, new Uint8Array(24)), undefined);
  assertEquals(argumentText("openat", 1, "/etc"), undefined);
});
