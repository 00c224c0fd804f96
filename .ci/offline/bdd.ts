/**
 * Stand-in for `@std/testing/bdd`, where JSR cannot be reached.
 *
 * @module
 */

/** What a test or hook does. */
export type Body = () => void | Promise<void>;

interface Suite {
  readonly tests: { name: string; run: (t: Deno.TestContext) => unknown }[];
  readonly hooks: Record<"first" | "before" | "after" | "last", Body[]>;
  readonly above?: Suite;
}

let current: Suite | undefined;

/**
 * Groups tests.
 *
 * @param name The name of the group.
 * @param body Says what is in it.
 */
export function describe(name: string, body: () => void): void {
  const above = current;
  const suite: Suite = {
    tests: [],
    hooks: { first: [], before: [], after: [], last: [] },
    above,
  };
  current = suite;
  try {
    body();
  } finally {
    current = above;
  }
  add(name, (t) => runSuite(suite, t));
}

/**
 * A test.
 *
 * @param name What it shows.
 * @param body Shows it.
 */
export function it(name: string, body: Body): void {
  const suite = current;
  add(name, async () => {
    for (const hook of hooksOf(suite, "before")) await hook();
    try {
      await body();
    } finally {
      for (const hook of hooksOf(suite, "after").reverse()) await hook();
    }
  });
}

function add(name: string, run: (t: Deno.TestContext) => unknown): void {
  if (current === undefined) {
    Deno.test(name, async (t) => void await run(t));
  } else {
    current.tests.push({ name, run });
  }
}

async function runSuite(suite: Suite, t: Deno.TestContext): Promise<void> {
  for (const hook of suite.hooks.first) await hook();
  try {
    for (const { name, run } of suite.tests) {
      await t.step(name, async (t) => void await run(t));
    }
  } finally {
    for (const hook of suite.hooks.last) await hook();
  }
}

function hooksOf(
  suite: Suite | undefined,
  when: "before" | "after",
): Body[] {
  if (suite === undefined) return [];
  return [...hooksOf(suite.above, when), ...suite.hooks[when]];
}

function hook(when: keyof Suite["hooks"], body: Body): void {
  if (current === undefined) throw new TypeError("A hook is outside describe");
  current.hooks[when].push(body);
}

/**
 * Runs before the first test of a group.
 *
 * @param body What to do.
 */
export function beforeAll(body: Body): void {
  hook("first", body);
}

/**
 * Runs after the last test of a group.
 *
 * @param body What to do.
 */
export function afterAll(body: Body): void {
  hook("last", body);
}

/**
 * Runs before each test of a group.
 *
 * @param body What to do.
 */
export function beforeEach(body: Body): void {
  hook("before", body);
}

/**
 * Runs after each test of a group.
 *
 * @param body What to do.
 */
export function afterEach(body: Body): void {
  hook("after", body);
}
