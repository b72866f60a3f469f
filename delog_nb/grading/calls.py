"""System calls that no answer needs, refused by the kernel for the rest of a process's life.

A process under this filter is one process: it starts no other one, and no other program. It has no
sockets but those it was given, and no memory that would outlive it or that its limits do not count.
It cannot look into or retune its neighbours either.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import signal
import struct
from typing import Any

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column below; audit's name
_NUMBERS = {
    # other processes and programs
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438), "setpriority": (141, 140), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "ioprio_set": (251, 30), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # other namespaces and file systems
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    # sockets; what stays in the kernel when a process has ended
    "socket": (41, 198), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
    "mq_open": (240, 180), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # large and rarely used doors into the kernel
    "io_uring_setup": (425, 425), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}  # fmt: skip
_CLONE, _CLONE3, _PRLIMIT = (56, 220), (435, 435), (302, 261)
_CLONE_THREAD, _X32 = 0x10000, 0x40000000

_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of BPF
_NUMBER, _MACHINE, _FIRST = (
    0,
    4,
    16,
)  # where the kernel puts a call's number, and its first argument
_DEATH_SIGNAL, _DUMPABLE, _SECCOMP, _NO_NEW_PRIVILEGES = 1, 4, 22, 38  # of prctl
_FILTER = 2  # of seccomp


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def _control(option: int, value: int, pointer: Any = None) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), pointer, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def hide() -> None:
    """No other process of this user may look into this one, which ends when its parent does."""
    _control(_DUMPABLE, 0)
    _control(_DEATH_SIGNAL, signal.SIGKILL)


def _program(machine: str) -> bytes:
    """The filter in BPF."""
    if machine not in _MACHINES:
        raise OSError(f"system calls of {machine} are not known here")
    column, audit = _MACHINES[machine]
    refused = _ERROR | errno.EPERM
    steps = [
        (_LOAD, 0, 0, _MACHINE), (_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, refused),
        # glibc takes clone where there is no clone3, whose flags a filter cannot see
        (_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        (_EQUAL, 0, 4, _CLONE[column]), (_LOAD, 0, 0, _FIRST), (_HAS, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, refused),
        (_EQUAL, 0, 4, _PRLIMIT[column]), (_LOAD, 0, 0, _FIRST), (_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, refused),
    ]  # fmt: skip
    for number in filter(None, (numbers[column] for numbers in _NUMBERS.values())):
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refused)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def refuse() -> None:
    """From now on, for this thread and all that it starts.

    Raises:
        OSError: the kernel or this program cannot do it here.
    """
    code = _program(platform.machine())
    _control(_NO_NEW_PRIVILEGES, 1)
    _control(_SECCOMP, _FILTER, ctypes.byref(_Program(len(code) // 8, code)))
