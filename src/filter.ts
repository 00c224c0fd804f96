/**
 * The filter of system calls, made into the program that the kernel runs
 * before each call.
 *
 * The numbers of calls fall into spans in which the same is decided. A search
 * tree finds the span: each of its nodes halves not the number of the spans
 * but their weight, which is large for calls that programs make often. Since
 * Linux 5.11 the kernel asks the filter only where an argument decides: what
 * else is allowed it finds out once, when the filter is installed.
 *
 * @module
 */

import type { Arch } from "../ffi/arch.ts";
import {
  AUDIT_ARCH,
  CODES,
  DATA,
  encodeFilter,
  type Instruction,
  verdictValue,
} from "./filter_bpf.ts";
import { allowedCalls } from "./filter_calls.ts";
import {
  type Condition,
  type Decision,
  DEFAULT,
  FOREIGN,
  RULES,
  UNKNOWN,
  type Verdict,
} from "./filter_rules.ts";

/** Calls that are decided first. */
const OFTEN: readonly string[] = [
  "clock_nanosleep",
  "close",
  "epoll_pwait",
  "epoll_wait",
  "fstat",
  "futex",
  "ioctl",
  "newfstatat",
  "openat",
  "read",
  "recvfrom",
  "recvmsg",
  "sendmsg",
  "sendto",
  "write",
];

/** How much more one of them weighs than a span without any. */
const WEIGHT = 16;

/** Numbers from `first` up to the next span. */
interface Span {
  readonly first: number;
  readonly decision: Decision;
  readonly weight: number;
}

/**
 * Compiles the filter: {@linkcode filterCode} has what this gives, since it
 * takes this longer than all else of a launch.
 *
 * @param arch The architecture.
 * @returns The bytes that the filter of a `struct sock_fprog` points to.
 *
 * @example Its first instruction loads the architecture of the call
 * ```ts
 * import { compileFilter } from "cage/src/filter.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = compileFilter("x86_64");
 * assertEquals([...bytes.subarray(0, 8)], [0x20, 0, 0, 0, 4, 0, 0, 0]);
 * ```
 */
export function compileFilter(arch: Arch): Uint8Array<ArrayBuffer> {
  const calls = allowedCalls(arch);
  const decisions = [...calls].map(([name, number]) =>
    [number, RULES[name] ?? "allow"] as const
  );
  const often = OFTEN.flatMap((name) => calls.get(name) ?? []);
  return compileDecisions(arch, new Map(decisions), often);
}

/**
 * Compiles a filter of decisions by the number of the call.
 *
 * @param arch The architecture.
 * @param decisions The decisions, one at least. Numbers between them get
 * {@linkcode DEFAULT}, those above {@linkcode UNKNOWN}.
 * @param often Numbers to be decided first.
 * @returns The bytes.
 *
 * @example One call is allowed
 * ```ts
 * import { compileDecisions } from "cage/src/filter.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = compileDecisions("aarch64", new Map([[0, "allow"]]));
 * assertEquals(bytes.length, 7 * 8);
 * ```
 */
export function compileDecisions(
  arch: Arch,
  decisions: ReadonlyMap<number, Decision>,
  often: readonly number[] = [],
): Uint8Array<ArrayBuffer> {
  return encodeFilter([
    { code: CODES.load, k: DATA.arch },
    { code: CODES.equal, k: AUDIT_ARCH[arch], jt: 1 },
    give(FOREIGN),
    { code: CODES.load, k: DATA.number },
    ...tree(spansOf(decisions, often)),
  ]);
}

function spansOf(
  decisions: ReadonlyMap<number, Decision>,
  often: readonly number[],
): Span[] {
  const end = Math.max(...decisions.keys()) + 1;
  const spans: Span[] = [];
  for (let number = 0; number <= end; number++) {
    const decision = number === end
      ? UNKNOWN
      : decisions.get(number) ?? DEFAULT;
    const more = often.includes(number) ? WEIGHT : 0;
    const last = spans.at(-1);
    if (last?.decision === decision) {
      spans[spans.length - 1] = { ...last, weight: last.weight + more };
    } else spans.push({ first: number, decision, weight: 1 + more });
  }
  return spans;
}

/** Instructions that decide, when the number of the call is loaded. */
function tree(spans: readonly Span[]): Instruction[] {
  if (spans.length === 1) return decide(spans[0].decision);
  const middle = middleOf(spans);
  const below = tree(spans.slice(0, middle));
  const above = tree(spans.slice(middle));
  const least = { code: CODES.least, k: spans[middle].first };
  return below.length <= 255
    ? [{ ...least, jt: below.length }, ...below, ...above]
    // Farther than a test can skip.
    : [
      { ...least, jf: 1 },
      { code: CODES.skip, k: below.length },
      ...below,
      ...above,
    ];
}

/** Where the weights of both sides are as equal as can be. */
function middleOf(spans: readonly Span[]): number {
  const whole = spans.reduce((sum, { weight }) => sum + weight, 0);
  let best = 1;
  let smallest = Infinity;
  let below = 0;
  for (let middle = 1; middle < spans.length; middle++) {
    below += spans[middle - 1].weight;
    const difference = Math.abs(whole - 2 * below);
    if (difference >= smallest) break;
    best = middle;
    smallest = difference;
  }
  return best;
}

function decide(decision: Decision): Instruction[] {
  return typeof decision === "string" ? [give(decision)] : check(decision);
}

function check(condition: Condition): Instruction[] {
  const { argument, bits, equals = [], otherwise, then } = condition;
  const tests = [
    ...equals.map((k) => ({ code: CODES.equal, k })),
    ...(bits === undefined ? [] : [{ code: CODES.bits, k: bits }]),
  ];
  return [
    { code: CODES.load, k: DATA.args + 8 * argument },
    // To the last instruction, over the tests that are left and `otherwise`.
    ...tests.map((test, i) => ({ ...test, jt: tests.length - i })),
    give(otherwise),
    give(then),
  ];
}

function give(verdict: Verdict): Instruction {
  return { code: CODES.give, k: verdictValue(verdict) };
}
