import { assert, assertEquals } from "@std/assert";
import { type Arch, ARCHES } from "../../ffi/arch.ts";
import { callNumber, SYSTEM_CALLS } from "../../ffi/calls.ts";
import { allowedCalls } from "../../src/filter_calls.ts";
import { RULES } from "../../src/filter_rules.ts";

const HEADERS: Record<Arch, string> = {
  x86_64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  aarch64: "/usr/include/asm-generic/unistd.h",
};

/** Of the generic header: other names of one call, and numbers of others. */
const NOT_AARCH64 =
  /^(arch_specific_syscall|fstatat|sync_file_range2|syscalls)$|_time64$|^(clock|timer|timerfd)_\w+64$/;

/** Calls that Docker allows with a capability only that there is not inside. */
const CAPABLE = `bpf fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie
  mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd
  setdomainname sethostname setns syslog umount2 unshare
  open_by_handle_at reboot delete_module init_module finit_module acct
  kcmp pidfd_getfd process_madvise iopl ioperm settimeofday clock_settime
  vhangup get_mempolicy mbind set_mempolicy set_mempolicy_home_node
  lsm_get_self_attr lsm_list_modules lsm_set_self_attr`.split(/\s+/);

/** Calls that Docker does not have in its list. */
const NEVER =
  `add_key keyctl request_key io_uring_setup io_uring_enter io_uring_register
  kexec_load kexec_file_load migrate_pages move_pages nfsservctl pivot_root
  swapon swapoff sysfs uselib userfaultfd ustat _sysctl afs_syscall
  create_module get_kernel_syms getpmsg putpmsg query_module security tuxcall
  vserver`.split(/\s+/);

const KNOWN = new Set([...CAPABLE, ...NEVER]);

for (const arch of ARCHES) {
  Deno.test(`allowedCalls() of ${arch} has the numbers of the kernel's header`, async () => {
    const numbers = await headerNumbers(arch);
    if (numbers === undefined) return;
    const newest = Math.max(...numbers.values());
    for (const [name, number] of allowedCalls(arch)) {
      const expected = numbers.get(name);
      // Newer than this header; uretprobe(2) was put into a gap.
      const newer = number > newest || name === "uretprobe";
      assert(expected === number || newer, `${name}: ${number}, ${expected}`);
    }
  });

  Deno.test(`allowedCalls() of ${arch} leaves out only calls that are known to be refused`, async () => {
    const numbers = await headerNumbers(arch);
    if (numbers === undefined) return;
    const calls = allowedCalls(arch);
    const refused = [...numbers.keys()].filter((name) => !calls.has(name));
    assertEquals(refused.filter((name) => !KNOWN.has(name)), []);
  });

  Deno.test(`allowedCalls() of ${arch} gives no number twice, and none of a refused call`, () => {
    const calls = allowedCalls(arch);
    assertEquals(new Set(calls.values()).size, calls.size);
    assertEquals([...KNOWN].filter((name) => calls.has(name)), []);
  });

  Deno.test(`allowedCalls() of ${arch} agrees with the calls of plans`, () => {
    const calls = allowedCalls(arch);
    for (const name of SYSTEM_CALLS) {
      const number = callNumber(name, arch);
      assertEquals(calls.get(name) ?? number, number, name);
    }
  });

  Deno.test(`every call of ${arch} that a rule is for is among allowedCalls()`, () => {
    const calls = allowedCalls(arch);
    assertEquals(Object.keys(RULES).filter((name) => !calls.has(name)), []);
  });
}

Deno.test("allowedCalls() reads every row of its table", () => {
  assertEquals(ARCHES.map((arch) => allowedCalls(arch).size), [310, 268]);
});

Deno.test("allowedCalls() has the old calls on x86_64 only", () => {
  const arm = allowedCalls("aarch64");
  const old = [...allowedCalls("x86_64").keys()].filter((n) => !arm.has(n));
  assertEquals(
    old.toSorted().join(" "),
    "access alarm arch_prctl chmod chown creat dup2 epoll_create " +
      "epoll_ctl_old epoll_wait epoll_wait_old eventfd fork futimesat " +
      "get_thread_area getdents getpgrp inotify_init lchown link lstat mkdir " +
      "mknod modify_ldt open pause pipe poll readlink rename rmdir select " +
      "set_thread_area signalfd stat symlink time unlink uretprobe utime " +
      "utimes vfork",
  );
  const x86 = allowedCalls("x86_64");
  assertEquals([...arm.keys()].filter((name) => !x86.has(name)), []);
});

async function headerNumbers(
  arch: Arch,
): Promise<Map<string, number> | undefined> {
  const path = HEADERS[arch];
  try {
    const text = await Deno.readTextFile(path);
    const defined = text.matchAll(/^#define __NR(3264)?_(\w+)\s+(\d+)$/gm);
    return new Map(
      [...defined].flatMap(([, both, name, number]): [string, number][] => {
        if (both && name === "fstatat") return [["newfstatat", Number(number)]];
        if (arch === "aarch64" && NOT_AARCH64.test(name)) return [];
        return [[name, Number(number)]];
      }),
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`skipped: there is no ${path} (Debian: linux-libc-dev)`);
  }
}
