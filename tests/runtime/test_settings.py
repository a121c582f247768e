from pathlib import Path

import pytest

from runtime.settings import CHECKOUT, RuntimeSettings
from shared.domain.errors import Rejected


def test_nothing_needs_to_be_set() -> None:
    settings = RuntimeSettings.read({})
    assert settings == RuntimeSettings(
        state_dir=CHECKOUT / ".state",
        triggers_dir=None,
        database_url="",
        redis_url="",
        admin_api_key="",
        api_port=8080,
        broker_port=8081,
        idle_seconds=30,
        once=False,
    )


def test_what_is_set_is_taken(tmp_path: Path) -> None:
    settings = RuntimeSettings.read(
        {
            "STATE_DIR": str(tmp_path / "new"),
            "TRIGGERS_DIR": str(tmp_path),
            "API_PORT": "9080",
            "IDLE_SECONDS": "2",
            "ONCE": "1",
        }
    )
    assert (settings.state_dir, settings.triggers_dir) == (tmp_path / "new", tmp_path)
    assert (settings.api_port, settings.idle_seconds, settings.once) == (9080, 2, True)


BAD = {
    "STATE_DIR": "/dev/null",
    "TRIGGERS_DIR": "/no/such/folder",
    "DATABASE_URL": "mysql://localhost/billing",
    "REDIS_URL": "localhost:6379",
    "ADMIN_API_KEY": "two words",
    "API_PORT": "eighty",
    "BROKER_PORT": "70000",
    "IDLE_SECONDS": "-1",
    "ONCE": "maybe",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
}


@pytest.mark.parametrize(("name", "value"), BAD.items())
def test_a_bad_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(Rejected) as refused:
        RuntimeSettings.read({name: value})
    assert [fault.field for fault in refused.value.faults] == [name]


def test_every_bad_setting_is_named_at_once() -> None:
    with pytest.raises(Rejected) as refused:
        RuntimeSettings.read(BAD)
    assert sorted(fault.field for fault in refused.value.faults) == sorted(BAD)


def test_one_port_cannot_be_both() -> None:
    with pytest.raises(Rejected, match="BROKER_PORT: is 9000, which API_PORT has too"):
        RuntimeSettings.read({"API_PORT": "9000", "BROKER_PORT": "9000"})


def test_an_unreadable_number_is_shortened_in_the_message() -> None:
    with pytest.raises(Rejected) as refused:
        RuntimeSettings.read({"API_PORT": "9" * 1000})
    assert len(str(refused.value)) < 200
