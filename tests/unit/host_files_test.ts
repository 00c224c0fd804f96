import { assertEquals } from "@std/assert";
import { absentLayer, hostFiles } from "../../src/host_files.ts";

const hostsOf = (hosts: string | undefined, hostname: string) =>
  hostFiles({ hosts, hostname } as never).at(-1)?.text;

Deno.test("hostFiles() adds the name of the host only if it is unknown", () => {
  const known = "127.0.0.1 localhost box # mine\n";
  assertEquals(hostsOf(known, "box"), known);
  assertEquals(hostsOf(known, "mine"), `${known}127.0.1.1\tmine\n`);
  assertEquals(hostsOf(known, "bo"), `${known}127.0.1.1\tbo\n`);
});

Deno.test("hostFiles() ends the last line of the host before its own", () => {
  assertEquals(hostsOf("::1 a", "box"), "::1 a\n127.0.1.1\tbox\n");
  assertEquals(hostsOf("", "box"), "127.0.1.1\tbox\n");
});

Deno.test("hostFiles() makes /etc/hosts where the host has none", () => {
  const text = "127.0.0.1\tlocalhost\n127.0.1.1\tbox\n";
  assertEquals(hostFiles({ hostname: "box" }), [{ path: "/etc/hosts", text }]);
});

Deno.test("hostFiles() gives /etc/resolv.conf as it is, even empty", () => {
  const [first] = hostFiles({ resolvConf: "", hostname: "box" });
  assertEquals(first, { path: "/etc/resolv.conf", text: "" });
});

Deno.test("absentLayer() makes each directory once", () => {
  const steps = absentLayer(["/etc/resolv.conf", "/etc/hosts"]);
  assertEquals(
    steps.map(({ args, call }) => [call, args[1]]),
    [
      ["mkdirat", "layer"],
      ["mkdirat", "layer/etc"],
      ["mknodat", "layer/etc/resolv.conf"],
      ["mknodat", "layer/etc/hosts"],
    ],
  );
});
