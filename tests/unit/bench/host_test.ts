import { assertMatch } from "@std/assert";
import { hostScript, mountsScript } from "../../bench/host.ts";

Deno.test("hostScript() gives the namespace a /run of its own", () => {
  assertMatch(hostScript("/x"), /^mount -t tmpfs .* \/run$/m);
});

Deno.test("mountsScript() ends if there are more mounts already", () => {
  assertMatch(mountsScript(26, "/x"), /^\[ "\$at" -le 26 \]$/m);
});
