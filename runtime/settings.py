"""What `make run` is told from outside."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from shared.domain.errors import Fault, Rejected

CHECKOUT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """Empty URLs mean embedded servers, an empty `admin_api_key` means: make one."""

    state_dir: Path
    triggers_dir: Path | None
    database_url: str
    redis_url: str
    admin_api_key: str
    api_port: int
    broker_port: int
    idle_seconds: int
    once: bool

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Raises Rejected with every bad setting."""
        reader = _Reader(env)
        settings = cls(
            state_dir=reader.folder("STATE_DIR") or CHECKOUT / ".state",
            triggers_dir=reader.folder("TRIGGERS_DIR"),
            database_url=reader.text(
                "DATABASE_URL", r"postgres(ql)?://.*", "must begin with postgresql:// or postgres://"
            ),
            redis_url=reader.text(
                "REDIS_URL", r"(rediss?|unix)://.*", "must begin with redis://, rediss:// or unix://"
            ),
            admin_api_key=reader.text("ADMIN_API_KEY", r"[!-~]*", "must be printable ASCII without spaces"),
            api_port=reader.number("API_PORT", 8080, most=65_535),
            broker_port=reader.number("BROKER_PORT", 8081, most=65_535),
            idle_seconds=reader.number("IDLE_SECONDS", 30, most=86_400),
            once=reader.text("ONCE", "[01]", "must be 1 or 0") == "1",
        )
        if settings.triggers_dir is not None and not settings.triggers_dir.exists():
            reader.refuse("TRIGGERS_DIR", f"{settings.triggers_dir} does not exist")
        if settings.api_port == settings.broker_port:
            reader.refuse("BROKER_PORT", f"is {settings.broker_port}, which API_PORT has too")
        if env.get("KUBERNETES_SERVICE_HOST"):
            reader.refuse(
                "KUBERNETES_SERVICE_HOST", "is set: this runtime is for development only, not for a cluster"
            )
        if reader.faults:
            raise Rejected(*reader.faults)
        return settings


class _Reader:
    """Reads settings one by one and remembers what is wrong with each."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.faults: list[Fault] = []

    def refuse(self, name: str, message: str) -> None:
        self.faults.append(Fault(name, message))

    def text(self, name: str, pattern: str, message: str) -> str:
        text = self._env.get(name, "").strip()
        if text and not re.fullmatch(pattern, text):
            self.refuse(name, message)
        return text

    def number(self, name: str, default: int, *, most: int) -> int:
        text = self._env.get(name, "").strip() or str(default)
        if not (text.isdecimal() and 1 <= int(text[:9]) <= most):
            self.refuse(name, f"must be a whole number from 1 to {most}, not {text[:40]!r}")
            return default
        return int(text)

    def folder(self, name: str) -> Path | None:
        if not (text := self._env.get(name, "").strip()):
            return None
        path = Path(text).expanduser().absolute()
        if path.exists() and not path.is_dir():
            self.refuse(name, f"{path} is not a folder")
        return path
