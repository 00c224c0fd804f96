"""Mounts layers one above the other, and compares two trees by itself.

Without anything of cage's own code, so that the two can be compared. Run with
a mount namespace of its own, as whoever the files belong to inside.

merged_trees.py SPACE UPPER LOWER walk [PATH]   prints the differences as JSON
merged_trees.py SPACE UPPER LOWER run WORD...   runs a command with the merged
                                                tree at $MERGED
"""

import filecmp
import json
import os
import stat
import subprocess
import sys

space, upper, lower, verb, *words = (os.fsencode(word) for word in sys.argv[1:])
merged = os.path.join(os.path.dirname(upper), b"merged")
os.makedirs(merged, exist_ok=True)
if lower == b"/":
    # Overlayfs takes no layer inside another one, but for the upper one.
    work = os.path.join(os.path.dirname(upper), b"merged-work")
    os.makedirs(work, exist_ok=True)
    options = b"lowerdir=/,upperdir=" + upper + b",workdir=" + work
else:
    options = b"ro,lowerdir=" + upper + b":" + lower
if space == b"user":
    options += b",userxattr"
subprocess.run([b"mount", b"--make-rprivate", b"/"], check=True)
subprocess.run(
    [b"mount", b"-t", b"overlay", b"-o", options, b"none", merged],
    check=True,
)


def look(path):
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def attributes(path):
    own = space + b".overlay."
    names = os.listxattr(path, follow_symlinks=False)
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in names
        if not os.fsencode(name).startswith(own)
    }


def same_content(one, other, before, after):
    kind = stat.S_IFMT(before.st_mode)
    if kind == stat.S_IFREG:
        if before.st_ctime_ns == after.st_ctime_ns:
            return True
        return before.st_size == after.st_size and filecmp.cmp(
            one, other, shallow=False
        )
    if kind == stat.S_IFLNK:
        return os.readlink(one) == os.readlink(other)
    return before.st_rdev == after.st_rdev


def aspects(one, other, before, after):
    if stat.S_IFMT(before.st_mode) != stat.S_IFMT(after.st_mode):
        return ["type"]
    directory = stat.S_ISDIR(before.st_mode)
    found = []
    if not directory and not same_content(one, other, before, after):
        found.append("content")
    if before.st_mode != after.st_mode:
        found.append("mode")
    if (before.st_uid, before.st_gid) != (after.st_uid, after.st_gid):
        found.append("owner")
    if attributes(one) != attributes(other):
        found.append("xattrs")
    if not directory and before.st_mtime_ns != after.st_mtime_ns:
        found.append("time")
    return found


def told(entry):
    size = None if stat.S_ISDIR(entry.st_mode) else entry.st_size
    mode = "%04o" % stat.S_IMODE(entry.st_mode)
    return [stat.S_IFMT(entry.st_mode), mode, entry.st_uid, entry.st_gid, size]


def walk(path, out):
    one, other = lower + path, merged + path
    before, after = look(one), look(other)
    if after is None:
        out.append(["deleted", path.hex(), [], told(before)])
        return
    if before is None:
        out.append(["added", path.hex(), [], told(after)])
    else:
        found = aspects(one, other, before, after)
        if found:
            out.append(["changed", (path or b"/").hex(), found, told(after)])
    names = set()
    if stat.S_ISDIR(after.st_mode):
        names |= set(os.listdir(other))
        if before is not None and stat.S_ISDIR(before.st_mode):
            names |= set(os.listdir(one))
    for name in sorted(names):
        walk(path + b"/" + name, out)


if verb == b"walk":
    result = []
    sys.setrecursionlimit(10000)
    walk(words[0] if words else b"", result)
    print(json.dumps(sorted(result)))
else:
    os.environb[b"MERGED"] = merged
    sys.exit(subprocess.run(words).returncode)
