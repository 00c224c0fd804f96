/**
 * JSON with comments. For files that a person writes and that decide what is
 * allowed: a mistake is told with its line and column, and a key that is there
 * twice, of which JSON.parse would drop one, is a mistake.
 *
 * @module
 */

/** A value; an object is a map, in which no key has a meaning of its own. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | ReadonlyMap<string, Json>;

/** A text that is no JSON with comments. */
export class JsonSyntaxError extends Error {
  /** The name of the class. */
  override name = "JsonSyntaxError";

  /**
   * Makes an error.
   *
   * @param line The line of the mistake, from 1.
   * @param column The character of the line, from 1.
   * @param reason What is wrong there.
   */
  constructor(line: number, column: number, reason: string) {
    super(`line ${line}, column ${column}: ${reason}`);
  }
}

/** Most lists and objects around a value, so that no text uses up the stack. */
export const MAX_DEPTH = 32;

/**
 * Reads a text of RFC 8259 in which comments may be wherever space may be:
 * from two slashes to the end of the line, or between slash and asterisk and
 * asterisk and slash.
 *
 * @param text The text.
 * @returns The value.
 * @throws {JsonSyntaxError} If it is none.
 *
 * @example A comment
 * ```ts
 * import { parseJsonc } from "cage/src/jsonc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   parseJsonc('{ "a": [1, true] } // why'),
 *   new Map([["a", [1, true]]]),
 * );
 * ```
 */
export function parseJsonc(text: string): Json {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

const SPACE = /[ \t\r\n]+|\/\/[^\r\n]*|\/\*[^]*?\*\//y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /[A-Za-z]+/y;
const WORDS = new Map<string, Json>([
  ["null", null],
  ["true", true],
  ["false", false],
]);

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): Json {
    this.#skip();
    const start = this.#at;
    if (depth > MAX_DEPTH) throw this.#mistake("too deep inside others");
    switch (this.#text[start]) {
      case "{":
        return this.#object(depth + 1);
      case "[":
        return this.#list(depth + 1);
      case '"':
        return this.#string();
    }
    const number = this.#match(NUMBER);
    if (number !== undefined) return Number(number);
    const word = WORDS.get(this.#match(WORD) ?? "");
    if (word === undefined) throw this.#mistake("there is no value", start);
    return word;
  }

  end(): void {
    this.#skip();
    if (this.#at < this.#text.length) {
      throw this.#mistake("there is more after the value");
    }
  }

  #object(depth: number): Json {
    const entries = new Map<string, Json>();
    this.#items("}", () => {
      const start = this.#at;
      if (this.#text[start] !== '"') {
        throw this.#mistake("there is no key in double quotes");
      }
      const key = this.#string();
      if (entries.has(key)) {
        throw this.#mistake("the key is there a second time", start);
      }
      if (!this.#take(":")) throw this.#mistake('":" is missing');
      entries.set(key, this.value(depth));
    });
    return entries;
  }

  #list(depth: number): Json {
    const values: Json[] = [];
    this.#items("]", () => values.push(this.value(depth)));
    return values;
  }

  /** What is between brackets, with commas in between and none at the end. */
  #items(end: string, read: () => void): void {
    this.#at++;
    if (this.#take(end)) return;
    do {
      this.#skip();
      read();
    } while (this.#take(","));
    if (!this.#take(end)) throw this.#mistake(`"," or "${end}" is missing`);
  }

  #string(): string {
    const start = this.#at;
    let end = start + 1;
    while (this.#text[end] !== '"') {
      // An escape is checked later, but hides the quote that may follow.
      end += this.#text[end] === "\\" ? 2 : 1;
      if (end >= this.#text.length) {
        throw this.#mistake("a text does not end", start);
      }
    }
    this.#at = end + 1;
    try {
      return JSON.parse(this.#text.slice(start, this.#at));
    } catch {
      const reason = "a text has a line break or an escape that JSON has not";
      throw this.#mistake(reason, start);
    }
  }

  #take(character: string): boolean {
    this.#skip();
    const found = this.#text[this.#at] === character;
    if (found) this.#at++;
    return found;
  }

  #skip(): void {
    while (this.#match(SPACE) !== undefined);
    if (this.#text.startsWith("/*", this.#at)) {
      throw this.#mistake("a comment does not end");
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #mistake(reason: string, at = this.#at): JsonSyntaxError {
    const lines = this.#text.slice(0, at).split(/\r\n|\r|\n/);
    const column = [...lines.at(-1)!].length + 1;
    return new JsonSyntaxError(lines.length, column, reason);
  }
}
