import { assertEquals } from "@std/assert";
import { cookieFile, parseCookies } from "../../src/xauthority.ts";

/** What `xauth -f FILE add box/unix:10 . 0102` writes. */
const FILE = new Uint8Array([
  ...[0x01, 0x00, 0x00, 0x03, 0x62, 0x6f, 0x78, 0x00, 0x02, 0x31, 0x30],
  ...[0x00, 0x12, ...new TextEncoder().encode("MIT-MAGIC-COOKIE-1")],
  ...[0x00, 0x02, 0x01, 0x02],
]);

Deno.test("parseCookies() reads what xauth(1) writes", () => {
  assertEquals(parseCookies(FILE), [{
    family: 256,
    address: new TextEncoder().encode("box"),
    number: "10",
    name: "MIT-MAGIC-COOKIE-1",
    data: new Uint8Array([1, 2]),
  }]);
});

Deno.test("cookieFile() writes what xauth(1) writes", () => {
  assertEquals(cookieFile(parseCookies(FILE)), FILE);
});

Deno.test("parseCookies() ends at an entry that is not whole", () => {
  const twice = new Uint8Array([...FILE, ...FILE]);
  for (let length = 0; length < twice.length; length++) {
    const whole = Math.floor(length / FILE.length);
    assertEquals(parseCookies(twice.slice(0, length)).length, whole);
  }
});
