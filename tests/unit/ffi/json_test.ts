import { assert, assertEquals } from "@std/assert";
import { callText } from "../../../ffi/listing.ts";
import { safeJson } from "../../../ffi/json.ts";

const ODD = "a\n\x1b[2J\u009b2J\u202e\u2028\u{e0001}\u{1f600}";

Deno.test("safeJson() has nothing that a terminal obeys, and is the same value", () => {
  const text = safeJson({ [ODD]: [ODD] });
  assert(!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text), text);
  assertEquals(JSON.parse(text), { [ODD]: [ODD] });
  assertEquals(safeJson([1], 2), "[\n  1\n]");
});

Deno.test("callText() has nothing that a terminal obeys", () => {
  const text = callText({ call: "execve", args: [ODD, [ODD], []] });
  assert(!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text), text);
});
