"""What processes cost, and what they run on. Linux: read from /proc."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
MB: Final = 1024 * 1024
BUSY_SHARE: Final = 0.5
SPIN: Final = """
import time
time.sleep(0.3)
n, until = 0, time.monotonic() + 2
while time.monotonic() < until:
    n += 1
print(n)
"""
PPID, UTIME, CSTIME = 1, 11, 14
"""Places of the words of /proc/PID/stat after the name of the program."""


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    ticks: int


def tree(root: int) -> frozenset[int]:
    """The process and all that descend from it."""
    return frozenset(_tree(root, _stats()))


def cpu_s(root: int) -> float:
    """CPU that the process, its descendants and those of them that have ended have used so far."""
    stats = _stats()
    return sum(stats[pid].ticks for pid in _tree(root, stats)) / TICKS_PER_S


def worker(root: int) -> int:
    """The process that serves: of those below `root`, the one that holds the most memory."""
    return max(tree(root) - {root} or {root}, key=pss_bytes)


def pss_bytes(pid: int) -> int:
    """Its memory, what it shares with others by its share; 0 where it is gone."""
    return _kilobytes(PROC / str(pid) / "smaps_rollup", "Pss") * 1024


def peak_bytes(pid: int) -> int:
    """The most that was resident."""
    return _kilobytes(PROC / str(pid) / "status", "VmHWM") * 1024


def disk_bytes(folder: Path) -> int:
    """What the files in it hold; those that go meanwhile do not count."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def describe() -> Mapping[str, str]:
    """For people; names neither the machine nor a path of it."""
    memory_gb = _kilobytes(PROC / "meminfo", "MemTotal") / 1024**2
    cpuinfo = (PROC / "cpuinfo").read_text()
    models = [
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")
    ]
    return {
        "CPU": models[0] if models else platform.machine(),
        "Cores": str(len(os.sched_getaffinity(0))),
        "Memory": f"{memory_gb:.0f} GB",
        "Kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }


def others() -> str:
    """Before anything is measured: whether the figures will be those of the machine."""
    busy = os.getloadavg()[0] / len(os.sched_getaffinity(0)) > BUSY_SHARE
    return "kept it busy: figures and ratios are not those of the machine" if busy else "left it alone"


def cores_at_once() -> str:
    """For people: what all cores do together, as a multiple of what one does alone.

    Cores that are threads of one, or shared with other machines, do less than their number; a floor that
    keeps only one of them busy does not notice.
    """
    count = len(os.sched_getaffinity(0))
    alone, together = sum(_counted(1)), sum(_counted(count))
    return f"{together / alone:.1f} times what one does alone"


def _counted(processes: int) -> list[int]:
    spinning = [
        subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) for _ in range(processes)
    ]
    return [int(process.communicate()[0]) for process in spinning]


def load_average() -> str:
    return " ".join(f"{number:.1f}" for number in os.getloadavg())


def _stats() -> Mapping[int, _Stat]:
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                words = (entry / "stat").read_text().rpartition(")")[2].split()
                ticks = sum(map(int, words[UTIME : CSTIME + 1]))
                found[int(entry.name)] = _Stat(int(words[PPID]), ticks)
    return found


def _tree(root: int, stats: Mapping[int, _Stat]) -> set[int]:
    found = {root} & stats.keys()
    while more := {pid for pid, stat in stats.items() if stat.parent in found} - found:
        found |= more
    return found


def _kilobytes(file: Path, name: str) -> int:
    with suppress(OSError):
        for line in file.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
