import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest

import runtime.identity
from runtime.identity import unprivileged
from runtime.postgres import FORGETFUL, READY_LIMIT_S, PostgresServer, installed_programs, prepare
from runtime.processes import Process, ProcessFailed
from runtime.settings import CHECKOUT

START_AND_ASK = """
import sys
from pathlib import Path
import psycopg
from runtime.postgres import FORGETFUL, prepare
from runtime.processes import Process
server = prepare(Path(sys.argv[1]), FORGETFUL)
process = Process.start(server.command)
try:
    process.wait_until(server.ready, limit_s=60)
    with psycopg.connect(server.url) as connection:
        print(connection.execute("SELECT current_database()").fetchone()[0])
finally:
    process.stop()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@contextmanager
def running(server: PostgresServer) -> Iterator[Process]:
    process = Process.start(server.command)
    try:
        process.wait_until(server.ready, limit_s=READY_LIMIT_S)
        yield process
    finally:
        process.stop()


def rows(server: PostgresServer) -> list[tuple[int]]:
    with psycopg.connect(server.url) as connection:
        return connection.execute("SELECT x FROM kept ORDER BY x").fetchall()


def write(server: PostgresServer, x: int) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (x int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [x])


def test_it_starts_in_a_folder_closed_to_others_and_waits_for_the_disk(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = prepare(tmp_path / "state")
    with running(server), psycopg.connect(server.url) as connection:
        shown = [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]
        encoding = connection.execute("SHOW server_encoding").fetchone()
    assert shown == [("on",), ("on",)]
    assert encoding == ("UTF8",)


def test_what_was_committed_survives_kill_9_of_the_server(tmp_path: Path) -> None:
    server = prepare(tmp_path)
    with running(server) as process:
        write(server, 1)
        process.send(signal.SIGKILL)
        process.wait()
    server = prepare(tmp_path)
    with running(server):
        write(server, 2)
        assert rows(server) == [(1,), (2,)]


def test_a_lock_file_that_names_a_stranger_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    server = prepare(tmp_path, FORGETFUL)
    with running(server):
        write(server, 1)
    stranger = f"{os.getpid()}\n/nowhere\n0\n5432\n\n\n\n"
    (tmp_path / "postgres" / "data" / "postmaster.pid").write_text(stranger)
    (server.sockets / ".s.PGSQL.5432.lock").write_text(stranger)
    server = prepare(tmp_path, FORGETFUL)
    with running(server):
        assert rows(server) == [(1,)]


def test_an_initdb_that_was_interrupted_is_done_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("17\n")
    with running(prepare(tmp_path, FORGETFUL)):
        pass


def test_data_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    server = prepare(tmp_path, FORGETFUL)
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ProcessFailed, match="initialized by PostgreSQL version 9"), running(server):
        pass


def test_a_deep_checkout_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / "a folder, with a comma"
    deep.mkdir(parents=True)
    server = prepare(deep, FORGETFUL)
    with running(server):
        write(server, 1)
    shutil.rmtree(server.sockets)


def test_an_installed_server_is_used_where_there_is_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        pytest.skip("no PostgreSQL is installed here")
    monkeypatch.setattr("runtime.postgres.WHEELS", ())
    assert installed_programs().parent.parent == Path("/usr/lib/postgresql")
    with running(prepare(tmp_path, FORGETFUL)):
        pass


def test_what_to_do_without_any_server_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.postgres._candidates", lambda: iter(()))
    with pytest.raises(FileNotFoundError, match="apt install postgresql, or set DATABASE_URL"):
        installed_programs()


@pytest.fixture
def folder_below_tmp() -> Iterator[Path]:
    """A folder closed to others, below one that everybody can enter."""
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    yield home
    shutil.rmtree(home)


def _as_user(user: str, *words: str) -> subprocess.CompletedProcess[str] | None:
    """A Python with our packages run as somebody; None where they can enter neither ours nor Debian's."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": sysconfig.get_path("purelib")}
    for python in (sys.executable, f"/usr/bin/{version}"):
        with suppress(OSError, subprocess.SubprocessError):
            run = partial(subprocess.run, user=user, group="nogroup", extra_groups=[], cwd=CHECKOUT, env=env)
            run([python, "-c", "import psycopg, runtime.postgres"], check=True, capture_output=True)
            return run([python, *words], capture_output=True, text=True)
    return None


@as_root
def test_an_ordinary_user_starts_it_in_a_closed_folder(folder_below_tmp: Path) -> None:
    shutil.chown(folder_below_tmp, "nobody")
    done = _as_user("nobody", "-c", START_AND_ASK, str(folder_below_tmp))
    if done is None:
        pytest.skip("this checkout or its Python is closed to other users")
    assert (done.returncode, done.stdout) == (0, "billing\n"), done.stderr


def _blocked(_uid: int) -> None:
    raise PermissionError


@as_root
def test_root_without_user_namespaces_runs_it_as_nobody(
    folder_below_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.identity, "_map_root_to", _blocked)
    folder_below_tmp.chmod(0o755)
    state = folder_below_tmp / "state"
    state.mkdir(mode=0o700)
    try:
        unprivileged(installed_programs() / "postgres", folder_below_tmp)
    except PermissionError:
        pytest.skip("the programs are closed to nobody")
    for x in (1, 2):
        server = prepare(state, FORGETFUL)
        with running(server) as process:
            assert Path(f"/proc/{process.pid}").stat().st_uid != 0
            write(server, x)
    monkeypatch.undo()
    server = prepare(state, FORGETFUL)
    with running(server):
        assert rows(server) == [(1,), (2,)]


@as_root
def test_root_is_told_what_to_do_where_nothing_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.identity, "_map_root_to", _blocked)
    monkeypatch.setattr(runtime.identity, "_become", _blocked)
    with pytest.raises(PermissionError, match="run as an ordinary user, or set DATABASE_URL"):
        prepare(tmp_path)
