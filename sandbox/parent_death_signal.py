"""A child process that receives a signal when its parent dies (Linux's PR_SET_PDEATHSIG).

Give `die_with_parent(command, …)` to `subprocess.Popen` instead of `command`. It runs this file, which asks the kernel
for the signal and then executes the command with the same process id. Other systems have no such call: there a child
outlives a parent that was killed with SIGKILL. (Popen's `preexec_fn` could do it too, but is unsafe when the parent has
threads.)

Linux counts the death of the *thread* that started the child: start children from a thread that lives as long as they
should. docs/adr/0021-the-launcher-s-own-process-code.md says why this is not a library.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

# prctl(2), capset(2), capabilities(7), and the <linux/…> headers of their names.
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SETPCAP = 1, 2, 8
CAPABILITY_VERSION_3 = 0x20080522


class Account(NamedTuple):
    """A user of the operating system, and a folder that this user must be able to reach."""

    uid: int
    gid: int
    folder: str


def die_with_parent(command: Sequence[str], on_orphaned: signal.Signals, account: Account | None = None) -> list[str]:
    """The command to start instead of `command`: it receives `on_orphaned` when the calling thread dies.

    `command[0]` is the path of a program. With `account` (for root only) it runs as that user.
    """
    account_arguments = [str(value) for value in account] if account else ["", "", ""]
    # -I -S: neither site-packages nor the environment is needed, and without them it starts in some 10 ms.
    wrapper = [sys.executable, "-I", "-S", __file__, str(os.getpid()), on_orphaned.name]
    return [*wrapper, *account_arguments, *command]


def main(parent: str, on_orphaned: str, uid: str, gid: str, folder: str, *command: str) -> NoReturn:
    """Asks for the signal and executes the command; exits with one sentence when that fails."""
    try:
        if uid:
            _become(Account(int(uid), int(gid), folder), command[0])
        # After the change of user, which clears it (prctl(2)).
        if sys.platform == "linux":
            _prctl(PR_SET_PDEATHSIG, signal.Signals[on_orphaned])
        if os.getppid() != int(parent):
            sys.exit("The process that started this one has already ended.")
        # A parent may have blocked signals, and its children would inherit the mask.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execv(command[0], command)  # noqa: S606
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}.")


def _become(account: Account, program: str) -> None:
    """Changes from root to another user, who can still reach the program and the folder inside root's home.

    Changing the modes of the folders above would also work, but permanently and for every user.
    """
    if sys.platform == "linux":
        _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(account.gid)
    os.setuid(account.uid)
    if sys.platform == "linux" and not (os.access(program, os.X_OK) and os.access(account.folder, os.X_OK)):
        try:
            _keep_capability(CAP_DAC_READ_SEARCH)
        except PermissionError:  # containers grant only the stronger one
            _keep_capability(CAP_DAC_OVERRIDE)


def _keep_capability(capability: int) -> None:
    """Keeps one of root's capabilities for this process and what it executes, as an ambient one (capabilities(7))."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    now, later = 1 << capability | 1 << CAP_SETPCAP, 1 << capability
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(now, now, later, 0, 0, 0)
    _checked(_libc().capset(header, effective_permitted_inheritable))
    # Without this, access(2) ignores capabilities, and initdb uses it to find PostgreSQL's other programs.
    _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, *arguments: int) -> None:
    # All five arguments: the kernel refuses some options unless the unused ones are zero.
    words = [*arguments, 0, 0, 0, 0][:4]
    _checked(_libc().prctl(ctypes.c_int(option), *(ctypes.c_ulong(word) for word in words)))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
