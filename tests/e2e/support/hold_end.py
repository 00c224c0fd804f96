"""Holds a process that is killed, when it has no signal any more that waits and
has not given anything back yet, until there is nothing to read any more.

hold_end.py PID
"""

import ctypes
import os
import sys

PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_O_TRACEEXIT = 0x40
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])


def ptrace(request, data):
    words = [ctypes.c_long(word) for word in (request, pid, 0, data)]
    if libc.ptrace(*words) < 0:
        sys.exit("ptrace: " + os.strerror(ctypes.get_errno()))


ptrace(PTRACE_SEIZE, PTRACE_O_TRACEEXIT)
print("waits", flush=True)
os.waitpid(pid, WALL)
print("holds", flush=True)
sys.stdin.read()
ptrace(PTRACE_DETACH, 0)
