import { assertEquals } from "@std/assert";
import { hiddenBelow, parseMounts } from "../../src/mount_table.ts";

const TABLE = [
  "20 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
  "21 20 0:5 / /proc rw - proc proc rw",
  "22 20 254:1 / /home rw master:2 propagate_from:3 - ext4 /dev/vdb rw",
  "23 22 0:9 / /home/a\\040b\\134c rw - tmpfs tmpfs rw",
  "24 20 0:10 /x /etc/hosts rw - ext4 /dev/vda rw",
  "",
].join("\n");

Deno.test("parseMounts() reads ids and paths, whatever is optional", () => {
  const mounts = parseMounts(TABLE);
  assertEquals(mounts.map(({ id }) => id), [20n, 21n, 22n, 23n, 24n]);
  assertEquals(mounts[3], { id: 23n, parent: 22n, path: "/home/a b\\c" });
});

Deno.test("hiddenBelow() tells what is mounted on a mount, and where", () => {
  const mounts = parseMounts(TABLE);
  assertEquals(hiddenBelow(mounts, 20n, "/"), ["/proc", "/home", "/etc/hosts"]);
  assertEquals(hiddenBelow(mounts, 20n, "/etc"), ["/hosts"]);
  assertEquals(hiddenBelow(mounts, 22n, "/home"), ["/a b\\c"]);
  assertEquals(hiddenBelow(mounts, 22n, "/home/a"), []);
  assertEquals(hiddenBelow(mounts, 20n, "/pro"), []);
});
