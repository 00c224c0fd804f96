import { assertEquals, assertThrows } from "@std/assert";
import {
  type Json,
  JsonSyntaxError,
  MAX_DEPTH,
  parseJsonc,
} from "../../src/jsonc.ts";
import { seeded } from "./seeded.ts";

/** A value of JSON.parse, with objects as maps. */
function mapped(value: unknown): Json {
  if (Array.isArray(value)) return value.map(mapped);
  if (typeof value !== "object" || value === null) return value as Json;
  return new Map(
    Object.entries(value).map(([key, item]) => [key, mapped(item)]),
  );
}

function messageOf(text: string): string {
  return assertThrows(() => parseJsonc(text), JsonSyntaxError).message;
}

function accepts(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof JsonSyntaxError) {
      return false;
    }
    throw error;
  }
}

Deno.test("parseJsonc() reads every kind of value", () => {
  const text = '{"a":[null,true,false,0,-1.5e2,"\\u0041\\n\\"\\\\"],"":{}}';
  assertEquals(parseJsonc(text), mapped(JSON.parse(text)));
});

Deno.test("parseJsonc() takes comments wherever space may be", () => {
  const text = '/**/{//x\n"a"/*:*/:/* " */[//]\r1/* // */,/***/2]/*\n*/}//';
  assertEquals(parseJsonc(text), new Map([["a", [1, 2]]]));
});

Deno.test("parseJsonc() ends a comment with the line, and with no other sign", () => {
  assertEquals(parseJsonc("1 // a\u2028b"), 1);
  assertEquals(parseJsonc("// a\r1"), 1);
  assertEquals(
    messageOf("// a\n/"),
    "line 2, column 1: there is no value",
  );
});

Deno.test("parseJsonc() leaves what looks like a comment in a text", () => {
  assertEquals(parseJsonc('"/* // */"'), "/* // */");
});

Deno.test("parseJsonc() says where the mistake is", () => {
  const cases: [string, string][] = [
    ["", "line 1, column 1: there is no value"],
    ["{\n  a: 1\n}", "line 2, column 3: there is no key in double quotes"],
    ['{"a" 1}', 'line 1, column 6: ":" is missing'],
    ['{"a": 1 "b": 2}', 'line 1, column 9: "," or "}" is missing'],
    ["[1 2]", 'line 1, column 4: "," or "]" is missing'],
    ["[1,]", "line 1, column 4: there is no value"],
    ['{"a": 1,}', "line 1, column 9: there is no key in double quotes"],
    [
      '{"a": 1,\r\n "a": 2}',
      "line 2, column 2: the key is there a second time",
    ],
    ["1 2", "line 1, column 3: there is more after the value"],
    ["[//\r1 2]", 'line 2, column 3: "," or "]" is missing'],
    ["01", "line 1, column 2: there is more after the value"],
    ["[\n\ntrues]", "line 3, column 1: there is no value"],
    ["toString", "line 1, column 1: there is no value"],
    ['"a', "line 1, column 1: a text does not end"],
    ['["💥", "a\\', "line 1, column 7: a text does not end"],
    ["[1, /* 2]", "line 1, column 5: a comment does not end"],
    ["\ufeff1", "line 1, column 1: there is no value"],
    [
      '"a\nb"',
      "line 1, column 1: a text has a line break or an escape that JSON has not",
    ],
    [
      '"\\x41"',
      "line 1, column 1: a text has a line break or an escape that JSON has not",
    ],
  ];
  for (const [text, message] of cases) assertEquals(messageOf(text), message);
});

Deno.test("parseJsonc() gives no key a meaning of its own", () => {
  const value = parseJsonc('{"__proto__": {"x": 1}, "constructor": 2}');
  assertEquals(
    [...value as Map<string, Json>],
    [["__proto__", new Map([["x", 1]])], ["constructor", 2]],
  );
});

Deno.test("parseJsonc() refuses what is too deep instead of failing", () => {
  const nest = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  parseJsonc(nest(MAX_DEPTH + 1));
  assertEquals(
    messageOf(nest(MAX_DEPTH + 2)),
    `line 1, column ${MAX_DEPTH + 2}: too deep inside others`,
  );
  messageOf("[".repeat(1 << 20));
  messageOf('{"a":'.repeat(1 << 18));
});

Deno.test("parseJsonc() takes long texts and comments", () => {
  const long = "x".repeat(1 << 20);
  assertEquals(parseJsonc(`/*${long}*/"${long}"//${long}`), long);
  assertEquals(parseJsonc("/**/".repeat(1 << 18) + "1"), 1);
  messageOf(`"${long}`);
  messageOf(`/*${long}`);
});

Deno.test("parseJsonc() takes what JSON.parse takes, and gives the same", () => {
  const random = seeded(1);
  const parts = [
    ...'[]{},:"\\ \n\t0123456789.eE+-u',
    ...["true", "null", '"a"', '"b":', "1", "[1]", "\\u00e9", "\u00a0"],
  ];
  let taken = 0;
  for (let round = 0; round < 20_000; round++) {
    const text = random.list(7, () => random.pick(parts)).join("");
    const isJson = accepts(JSON.parse, text);
    if (/"(\w)":.*"\1":/s.test(text)) continue;
    assertEquals([text, accepts(parseJsonc, text)], [text, isJson]);
    if (!isJson) continue;
    taken++;
    assertEquals(parseJsonc(text), mapped(JSON.parse(text)));
  }
  assertEquals(taken > 1000, true);
});
