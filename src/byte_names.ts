/**
 * Names of files for people and for tools. A name is a text of bytes, one
 * character for each, as the kernel has it: any byte but NUL and a slash.
 *
 * @module
 */

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a name as text.
 *
 * @param name The bytes, one character for each.
 * @returns The text; nothing if it is no valid UTF-8.
 *
 * @example A letter of two bytes
 * ```ts
 * import { textOf } from "cage/src/byte_names.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(textOf("\xc3\xbc"), "ü");
 * assertEquals(textOf("\xff"), undefined);
 * ```
 */
export function textOf(name: string): string | undefined {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(name)) return name;
  try {
    return DECODER.decode(Uint8Array.from(name, (c) => c.charCodeAt(0)));
  } catch {
    return undefined;
  }
}

/**
 * Turns a text into a name.
 *
 * @param text The text, well-formed.
 * @returns Its bytes as UTF-8, one character for each.
 *
 * @example A letter of two bytes
 * ```ts
 * import { nameOfText } from "cage/src/byte_names.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nameOfText("ü"), "\xc3\xbc");
 * ```
 */
export function nameOfText(text: string): string {
  let name = "";
  for (const byte of new TextEncoder().encode(text)) {
    name += String.fromCharCode(byte);
  }
  return name;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\t": "\\t",
  "\r": "\\r",
  '"': '\\"',
  "\\": "\\\\",
};

/**
 * Writes a name for people as git does with `core.quotePath=false`: as it is
 * if a line can hold it; otherwise in double quotes, with `\n`, `\t`, `\r`,
 * `\"`, `\\`, and other bytes as three octal digits.
 *
 * @param name The bytes, one character for each.
 * @returns The text.
 *
 * @example A newline, and a byte that is no UTF-8
 * ```ts
 * import { shownName } from "cage/src/byte_names.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(shownName("/a b"), "/a b");
 * assertEquals(shownName("/a\nb\xff"), '"/a\\nb\\377"');
 * ```
 */
export function shownName(name: string): string {
  const text = textOf(name);
  if (text !== undefined && !UNSAFE.test(text)) return text;
  const escaped = text === undefined
    ? name.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, escapeByte)
    : text.replace(new RegExp(UNSAFE, "gu"), escapeCharacter);
  return `"${escaped}"`;
}

/**
 * Writes a name for people as a value in a sentence: in quotes, once.
 *
 * @param name The bytes, one character for each.
 * @returns The text.
 *
 * @example As it is, and escaped
 * ```ts
 * import { quotedName } from "cage/src/byte_names.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(quotedName("/a b"), '"/a b"');
 * assertEquals(quotedName("/a\nb"), '"/a\\nb"');
 * ```
 */
export function quotedName(name: string): string {
  const shown = shownName(name);
  return shown.startsWith('"') ? shown : `"${shown}"`;
}

const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}"\\]/u;

function escapeCharacter(character: string): string {
  return [...nameOfText(character)].map(escapeByte).join("");
}

function escapeByte(byte: string): string {
  const octal = byte.charCodeAt(0).toString(8).padStart(3, "0");
  return ESCAPES[byte] ?? `\\${octal}`;
}

/**
 * Writes a name for JSON: `path` alone if it is UTF-8; otherwise `path` with
 * U+FFFD for what is not, and `pathBytes`, all its bytes in hexadecimal.
 *
 * @param key The key, `path` or another one.
 * @param name The bytes, one character for each.
 * @returns One or two members of an object.
 *
 * @example A byte that is no UTF-8
 * ```ts
 * import { jsonName } from "cage/src/byte_names.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(jsonName("path", "/a"), { path: "/a" });
 * assertEquals(jsonName("path", "/\xff"), {
 *   path: "/\ufffd",
 *   pathBytes: "2fff",
 * });
 * ```
 */
export function jsonName(key: string, name: string): Record<string, string> {
  const text = textOf(name);
  if (text !== undefined) return { [key]: text };
  const bytes = Uint8Array.from(name, (c) => c.charCodeAt(0));
  return {
    [key]: new TextDecoder().decode(bytes),
    [`${key}Bytes`]: bytes.toHex(),
  };
}
