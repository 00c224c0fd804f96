import { assertEquals } from "@std/assert";
import {
  isOfFile,
  isWhiteoutNode,
  markName,
  type Marks,
  parseRedirect,
} from "../../src/overlay_marks.ts";

const ROOT: Marks = { space: "trusted", isFuse: false };
const USER: Marks = { space: "user", isFuse: false };

Deno.test("isOfFile() knows the attributes of one overlay from all others", () => {
  assertEquals(isOfFile(ROOT, "trusted.overlay.origin"), false);
  // Anybody inside can set these, where root has mounted.
  assertEquals(isOfFile(ROOT, "user.overlay.opaque"), true);
  assertEquals(isOfFile(USER, "user.overlay.opaque"), false);
  assertEquals(isOfFile(USER, "user.overlay.overlay.opaque"), true);
  assertEquals(isOfFile(USER, "user.fuseoverlayfs.opaque"), true);
  const fuse = { ...USER, isFuse: true };
  assertEquals(isOfFile(fuse, "user.fuseoverlayfs.opaque"), false);
});

Deno.test("parseRedirect() leads nowhere else", () => {
  const wrong = ["", "/", "a/b", "..", "/a/../b", "/a//b", "/.", "a/"];
  // What the kernel would read up to the NUL.
  wrong.push("/..\0", "/..\0x/..\0/etc", "..\0", "/a\0");
  for (const redirect of wrong) {
    assertEquals(parseRedirect(redirect), undefined, redirect);
  }
  assertEquals(parseRedirect("..x"), { isAbsolute: false, names: ["..x"] });
});

Deno.test("isWhiteoutNode() takes no other device for a whiteout", () => {
  assertEquals(isWhiteoutNode({ mode: 0o020644, rdev: [0, 0] }), true);
  assertEquals(isWhiteoutNode({ mode: 0o060644, rdev: [0, 0] }), false);
  assertEquals(isWhiteoutNode({ mode: 0o020644, rdev: [0, 1] }), false);
  assertEquals(markName(USER, "x"), "user.overlay.x");
});
