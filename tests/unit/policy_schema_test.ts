import { assert, assertEquals } from "@std/assert";
import { CageError } from "../../src/errors.ts";
import {
  DEFAULT_POLICY,
  NAME_PATTERN,
  parsePolicy,
  ROOT_PATTERN,
  SOURCE_PATTERN,
} from "../../src/policy.ts";
import { seeded } from "./seeded.ts";

// deno-lint-ignore no-explicit-any
type Schema = any;

const SCHEMA: Schema = JSON.parse(
  Deno.readTextFileSync(
    new URL("../../docs/policy.schema.json", import.meta.url),
  ),
);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const TYPES: Record<string, (value: unknown) => boolean> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  integer: Number.isInteger,
};

/** What the keywords that the schema uses say of a value. */
const KEYWORDS: Record<
  string,
  (of: Schema, value: Schema, in_: Schema) => boolean
> = {
  $ref: (path: string, value) =>
    isValid(SCHEMA.$defs[path.replace("#/$defs/", "")], value),
  type: (type: string, value) => TYPES[type](value),
  anyOf: (all: Schema[], value) => all.some((one) => isValid(one, value)),
  pattern: (pattern: string, value) =>
    typeof value !== "string" || new RegExp(pattern, "u").test(value),
  minimum: (least: number, value) =>
    typeof value !== "number" || value >= least,
  maximum: (most: number, value) => typeof value !== "number" || value <= most,
  items: (one: Schema, value) =>
    !Array.isArray(value) || value.every((item) => isValid(one, item)),
  properties: (all: Record<string, Schema>, value) =>
    !isObject(value) ||
    Object.entries(value).every(([key, item]) =>
      !Object.hasOwn(all, key) || isValid(all[key], item)
    ),
  additionalProperties: (_: false, value, { properties }) =>
    !isObject(value) ||
    Object.keys(value).every((key) => Object.hasOwn(properties, key)),
};

const ANNOTATIONS = ["$schema", "$defs", "title", "description", "default"];

function isValid(schema: Schema, value: unknown): boolean {
  return Object.entries(schema).every(([keyword, of]) =>
    ANNOTATIONS.includes(keyword) || KEYWORDS[keyword](of, value, schema)
  );
}

function isPolicy(text: string): boolean {
  try {
    parsePolicy(text);
    return true;
  } catch (error) {
    if (error instanceof CageError) return false;
    throw error;
  }
}

const ids = (...words: unknown[]) => ({ granted: { users: words } });
const paths = (...words: unknown[]) => ({ trustedRoots: words });
const limit = (value: unknown) => ({ limits: { instances: value } });

const VALID: unknown[] = [
  {},
  { $schema: "../policy.schema.json" },
  { granted: {} },
  ids(),
  ids("alice", "a b", "ä", "7up", "_x", "a-", "a$", "svc#", "__proto__", "💥"),
  ids(0, 1.0, 4294967294),
  { granted: { groups: ["cage", 27] } },
  paths(),
  paths("/a", "/a/b", "/...", "/.a", "/a/..b", "/a b", "/ä:", "/💥"),
  { volumes: [] },
  { volumes: ["/", "/home"] },
  { limits: {} },
  limit(0),
  limit(9007199254740991),
  limit(1e3),
  { limits: { images: 1, imageBytes: 2 } },
];

const INVALID: unknown[] = [
  null,
  [],
  "",
  0,
  true,
  { Granted: {} },
  { constructor: {} },
  { $schema: null },
  { granted: null },
  { granted: [] },
  { granted: { user: [] } },
  { granted: { users: {} } },
  { granted: { users: null } },
  ...["", "7", "007", "a:b", "a\nb", "a\u007f", "\u0085", "#a", "+", "-a"].map(
    (word) => ids(word),
  ),
  ids("\ud800"),
  ...[-1, 0.5, 4294967295, 1e300, null, true, [], {}].map((word) => ids(word)),
  { granted: { groups: ["7"] } },
  { trustedRoots: "/a" },
  ...["", "a", "/", "//", "/a/", "//a", "/a//b", "/.", "/..", "/a/.", "/a/.."]
    .map((path) => paths(path)),
  ...["/a/../b", "/./a", "./a", "~/a", "/a\0", "/a\n", "/\udfff", 1, null]
    .map((path) => paths(path)),
  { volumes: null },
  { volumes: ["//"] },
  { volumes: ["/a/.."] },
  { volumes: ["."] },
  { limits: 1 },
  { limits: { instance: 1 } },
  ...[-1, 1.5, 9007199254740992, "1", null, []].map(limit),
];

Deno.test("the schema and parsePolicy() take the same policies", () => {
  for (const value of VALID) {
    const text = JSON.stringify(value);
    const said = [isValid(SCHEMA, value), isPolicy(text)];
    assertEquals([text, ...said], [text, true, true]);
  }
  for (const value of INVALID) {
    const text = JSON.stringify(value);
    const said = [isValid(SCHEMA, value), isPolicy(text)];
    assertEquals([text, ...said], [text, false, false]);
  }
});

Deno.test("the schema and parsePolicy() agree on random policies", () => {
  const random = seeded(3);
  const values = [
    ...["alice", "7", "/", "/a", "/a/", "a:b", "", null, true],
    ...[0, -1, 1.5, 4294967294, 4294967295, 2 ** 53, {}, []],
  ];
  const one = () => random.pick(values);
  const list = () => random.below(6) === 0 ? one() : random.list(2, one);
  const object = (keys: string[], make: () => unknown) =>
    random.below(8) === 0 ? one() : Object.fromEntries(
      random.list(2, () => [random.pick(keys), make()]),
    );
  const makers: Record<string, () => unknown> = {
    $schema: one,
    granted: () => object(["users", "groups", "groups", "x"], list),
    trustedRoots: list,
    volumes: list,
    limits: () => object(["instances", "images", "imageBytes", "x"], one),
    x: one,
  };
  const counts = { true: 0, false: 0 };
  for (let round = 0; round < 5000; round++) {
    const keys = random.list(3, () => random.pick(Object.keys(makers)));
    const value = Object.fromEntries(keys.map((key) => [key, makers[key]()]));
    const text = JSON.stringify(value);
    const isTaken = isPolicy(text);
    assertEquals([text, isTaken], [text, isValid(SCHEMA, value)]);
    counts[`${isTaken}`]++;
  }
  assert(counts.true > 500 && counts.false > 500, JSON.stringify(counts));
});

Deno.test("the schema has the defaults and the patterns of the source", () => {
  const { granted, limits, trustedRoots } = SCHEMA.properties;
  const defaultsOf = ({ properties }: Schema) =>
    Object.fromEntries(
      Object.entries<Schema>(properties).map((
        [key, one],
      ) => [key, one.default]),
    );
  assertEquals(defaultsOf(granted), { ...DEFAULT_POLICY.granted });
  assertEquals(defaultsOf(limits), { ...DEFAULT_POLICY.limits });
  assertEquals(trustedRoots.default, DEFAULT_POLICY.trustedRoots);
  const { id, root, source } = SCHEMA.$defs;
  assertEquals(id.anyOf[0].pattern, NAME_PATTERN);
  assertEquals([root.pattern, source.pattern], [ROOT_PATTERN, SOURCE_PATTERN]);
});
