/**
 * Starts a program again and again, and tries from the first instant to its
 * end to look into every process of it: `peek.ts REQUEST`. It prints a line of
 * JSON for each way in that was found, and one at the end.
 *
 * @module
 */

/** What is asked for, as JSON. */
export interface PeekRequest {
  /** The program and its arguments. */
  readonly words: readonly string[];
  /** How many times it is started. */
  readonly rounds: number;
  /** Processes that run already, to be tried in place of those. */
  readonly pids?: readonly number[];
}

/** A way in. */
export interface Found {
  /** What was tried. */
  readonly way: string;
  /** Ids of the process when it succeeded, as `/proc` shows them. */
  readonly uids: string;
  /** The process. */
  readonly pid: number;
}

/** What is told at the end. */
export interface PeekReport {
  /** How many attempts were made on processes that are not the user's own. */
  readonly attempts: number;
  /** How many processes were tried. */
  readonly processes: number;
}

/** Numbers on x86_64 and aarch64: syscall_64.tbl, asm-generic, Linux 6.1. */
const arm = Deno.build.arch === "aarch64";
const NUMBER = {
  kcmp: arm ? 272 : 312,
  pidfd_getfd: 438,
  pidfd_open: 434,
  process_madvise: 440,
  process_vm_readv: arm ? 270 : 310,
  process_vm_writev: arm ? 271 : 311,
  ptrace: arm ? 117 : 101,
  setns: arm ? 268 : 308,
  get_robust_list: arm ? 100 : 274,
  move_pages: arm ? 239 : 279,
  perf_event_open: arm ? 241 : 298,
};

const PTRACE_ATTACH = 16;
const PTRACE_SEIZE = 0x4206;
const PTRACE_DETACH = 17;
const PTRACE_INTERRUPT = 0x4207;
const O_PATH = 0o10000000;
const WNOHANG = 1;
const WALL = 0x40000000;
const CLONE_NEW = [
  ...[0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000],
];

/** Files in `/proc` that a process shows only to who may trace it. */
const FILES = [
  ...["mem", "maps", "smaps", "numa_maps", "environ", "auxv", "pagemap"],
  ...["syscall", "stack", "io", "personality", "map_files", "fd", "fdinfo"],
  ...["patch_state", "clear_refs", "ns", "attr/current", "timers", "wchan"],
];

/** They say nothing, or nothing is asked of who may trace, see proc(5). */
const HARMLESS = ["ns", "attr/current", "timers", "wchan", "clear_refs"];

const LINKS = [
  ...["cwd", "root", "exe", "fd/0", "fd/250", "ns/mnt", "ns/user", "ns/pid"],
  ...["ns/net", "ns/pid_for_children", "task/self/fd"],
];

const libc = Deno.dlopen("libc.so.6", {
  syscall: {
    parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"],
    result: "i64",
  },
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  waitpid: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  waitid: { parameters: ["i32", "i32", "buffer", "i32"], result: "i32" },
});

const call = (name: keyof typeof NUMBER, ...args: number[]): number => {
  const six = [...args, 0, 0, 0, 0, 0, 0].slice(0, 6).map(BigInt);
  const [a, b, c, d, e, f] = six;
  const number = BigInt(NUMBER[name]);
  return Number(libc.symbols.syscall(number, a, b, c, d, e, f));
};

/** Where a static program is. */
const PROGRAM = 0x400000;

const memory = new BigUint64Array(16);
const address = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));

function opens(path: string, flags: number): boolean {
  const text = new TextEncoder().encode(`${path}\0`);
  const file = libc.symbols.open(text, flags, 0);
  if (file < 0) return false;
  libc.symbols.close(file);
  return true;
}

/** Each gives whether it got in. */
const WAYS: Readonly<Record<string, (pid: number) => boolean>> = {
  ...Object.fromEntries(
    FILES.filter((name) => !HARMLESS.includes(name)).map((name) => [
      `read ${name}`,
      (pid: number) => reads(`/proc/${pid}/${name}`),
    ]),
  ),
  "write mem": (pid) => opens(`/proc/${pid}/mem`, 2),
  "write uid_map": (pid) => writes(`/proc/${pid}/uid_map`, "0 0 1"),
  "write setgroups": (pid) => writes(`/proc/${pid}/setgroups`, "deny"),
  "write oom_score_adj": (pid) => writes(`/proc/${pid}/oom_score_adj`, "999"),
  "write coredump_filter": (pid) =>
    writes(`/proc/${pid}/coredump_filter`, "0xff"),
  "write comm": (pid) => writes(`/proc/${pid}/comm`, "evil"),
  ...Object.fromEntries(
    LINKS.flatMap((name) => [
      [
        `follow ${name}`,
        (pid: number) => opens(`/proc/${pid}/${name}`, O_PATH),
      ],
      [`readlink ${name}`, (pid: number) => links(`/proc/${pid}/${name}`)],
    ]),
  ),
  "enter root": (pid) => opens(`/proc/${pid}/root/etc/passwd`, 0),
  ptrace: (pid) => traces(PTRACE_ATTACH, pid),
  seize: (pid) => traces(PTRACE_SEIZE, pid),
  kcmp: (pid) => call("kcmp", Deno.pid, pid, 0, 0, 0) >= 0,
  process_vm_readv: (pid) => transfers("process_vm_readv", pid),
  process_vm_writev: (pid) => transfers("process_vm_writev", pid),
  move_pages: (pid) => call("move_pages", pid, 0, 0, 0, 0, 0) === 0,
  get_robust_list: (pid) =>
    call("get_robust_list", pid, address, address + 8) === 0,
  perf_event_open: (pid) => counts(pid),
  pidfd_getfd: (pid) =>
    withPidfd(pid, (fd) =>
      [0, 1, 2, 3, 4, 10, 250].some(
        (number) => closes(call("pidfd_getfd", fd, number, 0)),
      )),
  setns: (pid) =>
    withPidfd(
      pid,
      (fd) => CLONE_NEW.some((flag) => call("setns", fd, flag) === 0),
    ),
};

function reads(path: string): boolean {
  try {
    const { isDirectory } = Deno.statSync(path);
    if (isDirectory) return [...Deno.readDirSync(path)].length > 0;
    using file = Deno.openSync(path);
    // Nothing is mapped below that address, and most other files are short.
    if (path.endsWith("/mem")) file.seekSync(PROGRAM, Deno.SeekMode.Start);
    // Some are opened by everybody, and read by few.
    return (file.readSync(new Uint8Array(64)) ?? 0) > 0;
  } catch {
    return false;
  }
}

function writes(path: string, text: string): boolean {
  try {
    Deno.writeTextFileSync(path, text, { create: false });
    return true;
  } catch {
    return false;
  }
}

function links(path: string): boolean {
  try {
    return Deno.readLinkSync(path) !== "";
  } catch {
    return false;
  }
}

function traces(request: number, pid: number): boolean {
  if (call("ptrace", request, pid, 0, 0) !== 0) return false;
  if (request === PTRACE_SEIZE) call("ptrace", PTRACE_INTERRUPT, pid, 0, 0);
  libc.symbols.waitpid(pid, null, WALL);
  call("ptrace", PTRACE_DETACH, pid, 0, 0);
  return true;
}

function transfers(
  name: "process_vm_readv" | "process_vm_writev",
  pid: number,
) {
  // Two of struct iovec: 8 bytes here, and 8 bytes where a static program is.
  memory.set([BigInt(address + 64), 8n, BigInt(PROGRAM), 8n]);
  return call(name, pid, address, 1, address + 16, 1, 0) > 0;
}

/** `struct perf_event_attr` of linux/perf_event.h: a software counter. */
function counts(pid: number): boolean {
  memory.fill(0n);
  memory[0] = 1n | 112n << 32n;
  return closes(call("perf_event_open", address, pid, -1, -1, 0));
}

function withPidfd(pid: number, use: (fd: number) => boolean): boolean {
  const fd = call("pidfd_open", pid, 0);
  if (fd < 0) return false;
  const result = use(fd);
  libc.symbols.close(fd);
  return result;
}

function closes(fd: number): boolean {
  if (fd < 0) return false;
  libc.symbols.close(fd);
  return true;
}

function statusOf(pid: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/status`);
  } catch {
    return undefined;
  }
}

/** The ids that were the user's own when the program had not begun. */
const own = Array(4).fill(Deno.uid()).join(" ");

function uidsOf(pid: number): string | undefined {
  return statusOf(pid)?.match(/^Uid:\s+(.*)$/m)?.[1].replaceAll(/\s+/g, " ");
}

/** Children, and theirs: `/proc` shows everybody's ids and parents. */
function familyOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^[0-9]+$/.test(name) || Number(name) < root) continue;
    const parent = statusOf(Number(name))?.match(/^PPid:\s+(\d+)$/m)?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const family = [root];
  for (const [pid, parent] of parents) {
    if (family.includes(parent)) family.push(pid);
  }
  return family;
}

const seen = new Set<number>();
let attempts = 0;

/**
 * Tries every way once. Between fork and execve the child is still ours, and
 * a process that cannot be waited for may be another one by now: what counts
 * are ids before and after.
 */
function tryAll(pid: number, isChild: boolean): void {
  for (const [way, gets] of Object.entries(WAYS)) {
    const before = uidsOf(pid);
    if (before === undefined) return;
    // What is not a child any more was made by the launch.
    const isOurs = isChild && before === own;
    if (!isOurs) {
      attempts++;
      seen.add(pid);
    }
    if (!gets(pid) || isOurs) continue;
    console.log(JSON.stringify({ way, uids: before, pid } satisfies Found));
  }
}

const P_PID = 1;
const ENDED = 4 | 0x1000000 | WNOHANG;

async function peek(words: readonly string[]): Promise<void> {
  const child = new Deno.Command(words[0], {
    args: words.slice(1),
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  const info = new Int32Array(32);
  let round = 0;
  while (info[0] === 0) {
    // Looking for children takes longer than all the ways together.
    const family = round++ % 3 === 2 ? familyOf(child.pid) : [child.pid];
    for (const pid of family) tryAll(pid, pid === child.pid);
    libc.symbols.waitid(P_PID, child.pid, info, ENDED);
  }
  await child.status;
}

if (import.meta.main) {
  const { pids, rounds, words }: PeekRequest = JSON.parse(Deno.args[0]);
  for (let round = 0; round < rounds; round++) {
    if (pids === undefined) await peek(words);
    else pids.forEach((pid) => tryAll(pid, false));
  }
  const report: PeekReport = { attempts, processes: seen.size };
  console.log(JSON.stringify(report));
}
