"""As whom PostgreSQL runs: it refuses to run as root."""

import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLONE_NEWUSER: Final = 0x10000000


@dataclass(frozen=True, slots=True)
class Identity:
    """`confine` runs in the child before exec; `owner` is the user id that must own its files."""

    owner: int
    confine: Callable[[], None] | None = None

    def own(self, path: Path) -> None:
        """Gives the tree to this identity, whoever had it in an earlier run."""
        for item in (path, *path.rglob("*")):
            os.lchown(item, self.owner, -1)

    def can_run(self, program: Path, folder: Path) -> bool:
        """Whether it can execute `program` and enter `folder`."""

        def enter() -> None:
            if self.confine is not None:
                self.confine()
            os.stat(folder)

        try:
            subprocess.run([program, "--version"], preexec_fn=enter, capture_output=True, check=True)
        except (OSError, subprocess.SubprocessError):
            return False
        return True


def unprivileged(program: Path, folder: Path) -> Identity:
    """We, if we are an ordinary user; as root, we under another user id in a user namespace, which can enter
    our folders; else `nobody`. Raises PermissionError where neither can."""
    if os.geteuid() != 0:
        return Identity(os.geteuid())
    nobody = pwd.getpwnam("nobody").pw_uid
    if sys.platform == "linux":
        mapped = Identity(0, lambda: _map_root_to(nobody))
        if mapped.can_run(program, folder):
            return mapped
    folder.chmod(folder.stat().st_mode | 0o011)
    lowered = Identity(nobody, lambda: _become(nobody))
    if lowered.can_run(program, folder):
        return lowered
    raise PermissionError(
        "PostgreSQL does not run as root; user namespaces are blocked here, and `nobody` cannot enter both"
        f" {program.parent} and {folder}: run as an ordinary user, or set DATABASE_URL"
    )


def _map_root_to(uid: int) -> None:
    """The process sees itself as an ordinary user; the kernel still sees the owner of our files."""
    gid, libc = os.getegid(), ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} 0 1")
    Path("/proc/self/gid_map").write_text(f"{uid} {gid} 1")


def _become(uid: int) -> None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
