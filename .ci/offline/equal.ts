/**
 * Deep equality, as in `@std/assert`.
 *
 * @module
 */

type Key = string | symbol;

const prototypeOf = (value: object): object =>
  Object.getPrototypeOf(value) ?? Object.prototype;

/**
 * Whether two values are equal: NaN equals NaN, 0 equals -0, an absent key is
 * none that holds undefined, and objects of two classes differ.
 *
 * @param a One of them.
 * @param b The other.
 * @returns Whether they are.
 * @throws {TypeError} If a stand-in cannot compare them.
 */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}

function compare(a: unknown, b: unknown, seen: Map<object, object>): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (prototypeOf(a) !== prototypeOf(b)) return false;
  if (seen.get(a) === b) return true;
  if (Object.keys(a).length !== Object.keys(b).length) return false;
  seen.set(a, b);
  if (a instanceof Date) return Object.is(+a, +(b as Date));
  if (a instanceof RegExp || a instanceof URL) return `${a}` === `${b}`;
  if (a instanceof Set || a instanceof Map) {
    return compareCollections(a, b as typeof a, seen);
  }
  if (a instanceof ArrayBuffer) {
    return compare(new Uint8Array(a), new Uint8Array(b as typeof a), seen);
  }
  if (ArrayBuffer.isView(a)) return compareElements(a, b, seen);
  if (/Weak|Shared|Temporal|Intl/.test(toString.call(a))) {
    throw new TypeError(`The stand-in for equal cannot compare ${a}`);
  }
  return compareProperties(a, b, seen);
}

const { toString } = Object.prototype;

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function compareElements(
  a: object,
  b: object,
  seen: Map<object, object>,
): boolean {
  if (a instanceof DataView) {
    throw new TypeError("The stand-in for equal cannot compare a DataView");
  }
  const elements = (view: object) => Array.from(view as Uint8Array);
  return compare(elements(a), elements(b), seen);
}

function compareCollections(
  a: Set<unknown> | Map<unknown, unknown>,
  b: Set<unknown> | Map<unknown, unknown>,
  seen: Map<object, object>,
): boolean {
  if (a.size !== b.size) return false;
  const others = [...b.entries()];
  return [...a.entries()].every((entry) => {
    const index = others.findIndex((other) => compare(entry, other, seen));
    return index >= 0 && others.splice(index, 1);
  });
}

function compareProperties(
  a: object,
  b: object,
  seen: Map<object, object>,
): boolean {
  const value = (of: object, key: Key) => Reflect.get(of, key);
  return [...new Set([...keysOf(a), ...keysOf(b)])].every((key) =>
    key in a && key in b && compare(value(a, key), value(b, key), seen)
  );
}

/** The keys that count: of a class also those that are not enumerable. */
function keysOf(value: object): Key[] {
  const prototype = prototypeOf(value);
  const own = Reflect.ownKeys(value);
  if (prototype === Object.prototype || prototype === Array.prototype) {
    return own.filter((key) =>
      Object.prototype.propertyIsEnumerable.call(value, key)
    );
  }
  return [...own, ...keysOfChain(prototype)];
}

function keysOfChain(prototype: object | null): Key[] {
  if (prototype === null || prototype === Object.prototype) return [];
  return [
    ...Reflect.ownKeys(prototype),
    ...keysOfChain(Object.getPrototypeOf(prototype)),
  ];
}
