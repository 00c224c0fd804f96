import { assert, assertEquals, assertThrows } from "@std/assert";
import { packLz4, unpackLz4 } from "../../../ffi/lz4.ts";
import { seeded } from "../seeded.ts";
import { has, inTempDir } from "./tools.ts";

Deno.test("unpackLz4() gives back what packLz4() was given", () => {
  const random = seeded(7);
  for (let round = 0; round < 400; round++) {
    const kinds = 1 + random.below(255);
    const bytes = Uint8Array.from(
      { length: random.below(1500) },
      () => random.below(3) === 0 ? random.below(kinds) : 0,
    );
    assertEquals(unpackLz4(packLz4(bytes)), bytes, `round ${round}`);
  }
});

Deno.test("packLz4() finds what is far, and not what is too far", () => {
  const word = new TextEncoder().encode("a word of some length");
  const apart = (distance: number) => {
    const random = seeded(3);
    const bytes = Uint8Array.from(
      { length: distance + 64 },
      () => random.below(256),
    );
    bytes.set(word, 0);
    bytes.set(word, distance);
    return bytes;
  };
  for (const distance of [0xfff0, 0xffff, 0x10000, 0x10020]) {
    const bytes = apart(distance);
    assertEquals(unpackLz4(packLz4(bytes)), bytes);
  }
});

Deno.test("packLz4() makes zeroes small", () => {
  assert(packLz4(new Uint8Array(65536)).length < 300);
});

Deno.test("unpackLz4() refuses what is no block", () => {
  for (const bytes of [[], [0x20, 1], [0x10, 1, 0, 0], [0x10, 1, 9, 0, 0]]) {
    assertThrows(() => unpackLz4(new Uint8Array(bytes)), RangeError);
  }
});

Deno.test("unpackLz4() unpacks no more than it is to", () => {
  const bytes = new Uint8Array(1000);
  assertEquals(unpackLz4(packLz4(bytes), bytes.length), bytes);
  assertThrows(() => unpackLz4(packLz4(bytes), 900), RangeError, "too long");
});

Deno.test("packLz4() makes blocks that lz4(1) reads", async () => {
  if (!await has("lz4")) return;
  const bytes = Uint8Array.from({ length: 5000 }, (_, index) => index % 50);
  const packed = packLz4(bytes);
  // The old frame: a magic number, and the size of a block.
  const frame = new Uint8Array(8 + packed.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 0x184c2102, true);
  view.setUint32(4, packed.length, true);
  frame.set(packed, 8);
  await inTempDir(async (directory) => {
    await Deno.writeFile(`${directory}/x.lz4`, frame);
    const { stdout } = await new Deno.Command("lz4", {
      args: ["-d", "-c", `${directory}/x.lz4`],
    }).output();
    assertEquals(stdout, bytes);
  });
});
