/**
 * Numbers of the kernel's interface that are the same on every architecture.
 * Each group names its header and the version of Linux that brought it.
 *
 * @module
 */

// fcntl.h (asm-generic): open(2). O_DIRECTORY and O_NOFOLLOW are not here:
// they differ between architectures, see `open_flags.ts`.
/** Open for reading. */
export const O_RDONLY = 0o0;
/** Open for writing. */
export const O_WRONLY = 0o1;
/** Open for reading and writing. */
export const O_RDWR = 0o2;
/** Create the file if it is missing. */
export const O_CREAT = 0o100;
/** With `O_CREAT`: fail if the file exists. */
export const O_EXCL = 0o200;
/** Do not wait. */
export const O_NONBLOCK = 0o4000;
/** Leave nothing in a file that is there. */
export const O_TRUNC = 0o1000;
/** Close on execve(2), Linux 2.6.23. */
export const O_CLOEXEC = 0o2000000;
/** Only a place in the tree, Linux 2.6.39. */
export const O_PATH = 0o10000000;
/** The current directory, for the calls whose name ends in `at`. */
export const AT_FDCWD: number = -100;
/** Do not follow a symbolic link at the end of the path. */
export const AT_SYMLINK_NOFOLLOW = 0x100;
/** Follow a symbolic link at the end of the path, linkat(2), Linux 2.6.18. */
export const AT_SYMLINK_FOLLOW = 0x400;
/** unlinkat(2): what is removed is an empty directory, Linux 2.6.16. */
export const AT_REMOVEDIR = 0x200;
/** An empty path means the descriptor itself, Linux 2.6.39. */
export const AT_EMPTY_PATH = 0x1000;
/** Every mount below too: open_tree(2), mount_setattr(2), Linux 5.2. */
export const AT_RECURSIVE = 0x8000;

// linux/openat2.h, Linux 5.6: openat2(2).
/** Refuse links such as `/proc/self/fd/1`. */
export const RESOLVE_NO_MAGICLINKS = 0x02;
/** Refuse symbolic links. */
export const RESOLVE_NO_SYMLINKS = 0x04;
/** Refuse to leave the directory. */
export const RESOLVE_BENEATH = 0x08;
/** The directory is the root: links and `..` stay below it. */
export const RESOLVE_IN_ROOT = 0x10;

// sys/mount.h and linux/mount.h: mount(2).
/** Read-only. */
export const MS_RDONLY = 1;
/** Set-user-ID bits and file capabilities have no effect. */
export const MS_NOSUID = 2;
/** Device nodes cannot be opened. */
export const MS_NODEV = 4;
/** Nothing can be executed. */
export const MS_NOEXEC = 8;
/** Change the flags of a mount; with `MS_BIND`, of this one alone. */
export const MS_REMOUNT = 32;
/** A second place for a part of the tree, Linux 2.4. */
export const MS_BIND = 4096;
/** Every mount below too. */
export const MS_REC = 16384;
/** No propagation of mounts in either direction, Linux 2.6.15. */
export const MS_PRIVATE = 1 << 18;
/** Take the mount away now, free it when nothing uses it, Linux 2.4.11. */
export const MNT_DETACH = 2;
/** Do not follow a link at the end of the path. */
export const UMOUNT_NOFOLLOW = 8;

// linux/mount.h, Linux 5.2: fsopen, fsconfig, fsmount, open_tree, move_mount.
/** Close the context on execve(2). */
export const FSOPEN_CLOEXEC = 1;
/** A parameter without a value. */
export const FSCONFIG_SET_FLAG = 0;
/** A parameter whose value is a text of at most 255 bytes. */
export const FSCONFIG_SET_STRING = 1;
/** A parameter whose value is a descriptor; of overlay since Linux 6.13. */
export const FSCONFIG_SET_FD = 5;
/** Create the superblock. */
export const FSCONFIG_CMD_CREATE = 6;
/** Close the mount on execve(2). */
export const FSMOUNT_CLOEXEC = 1;
/** A detached copy of the mount. */
export const OPEN_TREE_CLONE = 1;
/** Close the copy on execve(2). */
export const OPEN_TREE_CLOEXEC: number = O_CLOEXEC;
/** The source is the descriptor itself. */
export const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
/** The target is the descriptor itself. */
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
/** Read-only, fsmount(2) and mount_setattr(2). */
export const MOUNT_ATTR_RDONLY = 0x1;
/** As `MS_NOSUID`. */
export const MOUNT_ATTR_NOSUID = 0x2;
/** As `MS_NODEV`. */
export const MOUNT_ATTR_NODEV = 0x4;
/** As `MS_NOEXEC`. */
export const MOUNT_ATTR_NOEXEC = 0x8;
/** Map the ids of files by a user namespace, mount_setattr(2), Linux 5.12. */
export const MOUNT_ATTR_IDMAP = 0x100000;

// linux/sched.h: clone(2), setns(2), unshare(2).
/** Parent and child share their memory. */
export const CLONE_VM = 0x100;
/** Parent and child share their table of descriptors. */
export const CLONE_FILES = 0x400;
/** The parent waits until the child executes a program or ends. */
export const CLONE_VFORK = 0x4000;
/** The child becomes a child of the caller's parent. */
export const CLONE_PARENT = 0x8000;
/** The id of the child is stored at the third argument. */
export const CLONE_PARENT_SETTID = 0x100000;
/** A mount namespace, Linux 2.4.19. */
export const CLONE_NEWNS = 0x20000;
/** A cgroup namespace, Linux 4.6. */
export const CLONE_NEWCGROUP = 0x2000000;
/** A UTS namespace: the host name, Linux 2.6.19. */
export const CLONE_NEWUTS = 0x4000000;
/** An IPC namespace, Linux 2.6.19. */
export const CLONE_NEWIPC = 0x8000000;
/** A user namespace, Linux 3.8. */
export const CLONE_NEWUSER = 0x10000000;
/** A pid namespace, Linux 2.6.24. */
export const CLONE_NEWPID = 0x20000000;

// linux/wait.h and asm-generic/siginfo.h: waitid(2), sigaction(2).
/** Wait for any child. */
export const P_ALL = 0;
/** Wait for a child by its id. */
export const P_PID = 1;
/** Wait for a child by its pidfd, Linux 5.4. */
export const P_PIDFD = 3;
/** Return at once if nothing is there. */
export const WNOHANG = 1;
/** Children that have ended. */
export const WEXITED = 4;
/** Leave the child to be waited for again. */
export const WNOWAIT = 0x1000000;
/** `si_code` of a child that called exit(2). */
export const CLD_EXITED = 1;
/** `si_code` of a signal by the kernel, such as those of a terminal. */
export const SI_KERNEL = 0x80;
/**
 * Bytes of `siginfo_t`, and where its fields are on 64 bits (four-byte
 * integers: number, errno, code, padding, then those of SIGCHLD).
 */
export const SIGINFO = {
  size: 128,
  signo: 0,
  code: 8,
  pid: 16,
  status: 24,
} as const;

// linux/time.h: clock_gettime(2).
/** Time since some point in the past, which nobody sets, Linux 2.6. */
export const CLOCK_MONOTONIC = 1;

// asm-generic/signal.h: signal(7). The same numbers on x86 and ARM.
/** Numbers of the signals. */
export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;
/** rt_sigprocmask(2): replace the mask. */
export const SIG_SETMASK = 2;

/** `SIG_BLOCK` of asm-generic/signal-defs.h, rt_sigprocmask(2). */
export const SIG_BLOCK = 0;

/** `SIG_UNBLOCK` of asm-generic/signal-defs.h, rt_sigprocmask(2). */
export const SIG_UNBLOCK = 1;
/** Bytes of the kernel's `sigset_t`: 64 signals. */
export const SIGSET_SIZE = 8;
/** Bytes of the kernel's `struct sigaction`; all zero is `SIG_DFL`. */
export const SIGACTION_SIZE = 32;

// linux/prctl.h: prctl(2).
/** A signal for when the parent ends, Linux 2.1.57. */
export const PR_SET_PDEATHSIG = 1;
/** Tells what `PR_SET_DUMPABLE` has set, Linux 2.3.20. */
export const PR_GET_DUMPABLE = 3;
/** Whether others may trace the process or read its memory, Linux 2.3.20. */
export const PR_SET_DUMPABLE = 4;
/** Take a capability out of the bounding set, Linux 2.6.25. */
export const PR_CAPBSET_DROP = 24;
/** No privileges by execve(2) any more, Linux 3.5. */
export const PR_SET_NO_NEW_PRIVS = 38;
/** The ambient set of capabilities, Linux 4.3. */
export const PR_CAP_AMBIENT = 47;
/** With `PR_CAP_AMBIENT`: empty the set. */
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

// linux/memfd.h, linux/fcntl.h: memfd_create(2), fcntl(2), flock(2), statx(2).
/** Close on execve(2). */
export const MFD_CLOEXEC = 1;
/** The file can be sealed. */
export const MFD_ALLOW_SEALING = 2;
/** fcntl(2): a copy of the descriptor, closed on execve(2), Linux 2.6.24. */
export const F_DUPFD_CLOEXEC = 1030;
/** fcntl(2): set the flags of the descriptor. */
export const F_SETFD = 2;
/** The one such flag: close on execve(2). */
export const FD_CLOEXEC = 1;
/** fcntl(2): add seals to a memfd, Linux 3.17. */
export const F_ADD_SEALS = 1033;
/** No more seals, Linux 3.17. */
export const F_SEAL_SEAL = 1;
/** The file cannot become smaller, Linux 3.17. */
export const F_SEAL_SHRINK = 2;
/** The file cannot become larger, Linux 3.17. */
export const F_SEAL_GROW = 4;
/** No more seals, no shrinking, no growing, no writing: 1 | 2 | 4 | 8. */
export const F_SEAL_ALL = 15;
/** flock(2): exclusive. */
export const LOCK_EX = 2;
/** flock(2): give the lock back. */
export const LOCK_UN = 8;
/** flock(2): do not wait. */
export const LOCK_NB = 4;
/** statx(2): the number of links, `stx_nlink` at byte 16. */
export const STATX_NLINK = 4;
/** Bytes of `struct statx`, Linux 4.11. */
export const STATX_SIZE = 256;
/** Where `stx_nlink` is in `struct statx`. */
export const STATX_NLINK_OFFSET = 16;
/** prlimit64(2): the largest file, asm-generic/resource.h. */
export const RLIMIT_FSIZE = 1;
/** close_range(2): mark instead of closing, Linux 5.11. */
export const CLOSE_RANGE_CLOEXEC = 4;

// sys/mman.h: asm-generic/mman-common.h, mmap(2), Linux 6.1.
/** Memory can be read. */
export const PROT_READ = 1;
/** Memory can be written to. */
export const PROT_WRITE = 2;
/** Memory can be executed. */
export const PROT_EXEC = 4;
/** What is written is seen by all that have it. */
export const MAP_SHARED = 1;
/** What is written is this process's alone. */
export const MAP_PRIVATE = 2;
/** Memory of no file. */
export const MAP_ANONYMOUS = 0x20;
/** At this address or nowhere, Linux 4.17. */
export const MAP_FIXED_NOREPLACE = 0x100000;
