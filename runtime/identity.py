"""As whom PostgreSQL runs: it refuses to run as root, or as a user id without a name."""

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
    """`confine` runs in the child before exec; `owner` is who must own its files, None: whoever we are."""

    name: str
    confine: Callable[[], None] | None = None
    owner: tuple[int, int] | None = None

    def own(self, path: Path) -> None:
        """Gives the tree to this identity."""
        for item in (path, *path.rglob("*")):
            found = item.lstat()
            wanted = self.owner or (os.geteuid(), os.getegid())
            if os.geteuid() == 0 and (found.st_uid, found.st_gid) != wanted:
                os.lchown(item, *wanted)


def unprivileged(program: Path, folder: Path) -> Identity:
    """Who can run `program` on files in `folder`: us, if we are an ordinary user; else we under another user
    id in a user namespace, which needs no account and can enter our folders; else, as root, `nobody`.

    Raises PermissionError where none can.
    """
    if os.geteuid() != 0 and _has_a_name(os.geteuid()):
        return Identity("this user")
    if sys.platform == "linux" and _can(mapped := _mapped_to_a_user(), program, folder):
        return Identity("this user under another id", mapped)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        folder.chmod(folder.stat().st_mode | 0o011)
        if _can(becomes := _becomes(nobody.pw_uid, nobody.pw_gid), program, folder):
            return Identity("nobody", becomes, (nobody.pw_uid, nobody.pw_gid))
    raise PermissionError(
        "PostgreSQL runs neither as root nor as a user id without a name; user namespaces are blocked here,"
        f" and `nobody` cannot enter both {program.parent} and {folder}:"
        " run as an ordinary user, or set DATABASE_URL"
    )


def _has_a_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _can(confine: Callable[[], None], program: Path, folder: Path) -> bool:
    def enter() -> None:
        confine()
        os.stat(folder)

    try:
        subprocess.run([program, "--version"], preexec_fn=enter, capture_output=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _mapped_to_a_user() -> Callable[[], None]:
    """PostgreSQL sees an ordinary user that has a name; the kernel still sees the owner of our files."""
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    seen = min(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0)
    maps = (
        ("/proc/self/setgroups", "deny"),
        ("/proc/self/uid_map", f"{seen} {os.geteuid()} 1"),
        ("/proc/self/gid_map", f"{seen} {os.getegid()} 1"),
    )

    def confine() -> None:
        if unshare(CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for path, content in maps:
            with open(path, "w") as file:
                file.write(content)

    return confine


def _becomes(uid: int, gid: int) -> Callable[[], None]:
    def confine() -> None:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)

    return confine
