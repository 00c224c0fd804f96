/**
 * The flags of open(2) whose numbers differ between architectures.
 *
 * @module
 */

const ARM = Deno.build.arch === "aarch64";

/**
 * Fail unless it is a directory: asm-generic/fcntl.h, and
 * arch/arm64/include/uapi/asm/fcntl.h; Linux 2.1.126.
 */
export const O_DIRECTORY: number = ARM ? 0o40000 : 0o200000;

/** Do not follow a symbolic link at the end of the path; the same headers. */
export const O_NOFOLLOW: number = ARM ? 0o100000 : 0o400000;

/**
 * Make a file that has no name yet, in the directory of the path; the same
 * headers, Linux 3.11.
 */
export const O_TMPFILE: number = 0o20000000 | O_DIRECTORY;
