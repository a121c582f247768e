"""What `make run` is told from outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from shared.domain.errors import Fault, Rejected

CHECKOUT: Final = Path(__file__).resolve().parent.parent
YES: Final = frozenset({"1", "true", "yes", "on"})
NO: Final = frozenset({"", "0", "false", "no", "off"})


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
            state_dir=reader.folder("STATE_DIR", CHECKOUT / ".state"),
            triggers_dir=reader.existing_folder("TRIGGERS_DIR"),
            database_url=reader.url("DATABASE_URL", ("postgresql://", "postgres://")),
            redis_url=reader.url("REDIS_URL", ("redis://", "rediss://", "unix://")),
            admin_api_key=reader.key("ADMIN_API_KEY"),
            api_port=reader.number("API_PORT", 8080, least=1, most=65535),
            broker_port=reader.number("BROKER_PORT", 8081, least=1, most=65535),
            idle_seconds=reader.number("IDLE_SECONDS", 30, least=1, most=86_400),
            once=reader.flag("ONCE"),
        )
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

    def _text(self, name: str) -> str:
        return self._env.get(name, "").strip()

    def folder(self, name: str, default: Path) -> Path:
        path = Path(self._text(name) or default).expanduser().absolute()
        if path.exists() and not path.is_dir():
            self.refuse(name, f"{path} is not a folder")
        return path

    def existing_folder(self, name: str) -> Path | None:
        if not self._text(name):
            return None
        path = self.folder(name, CHECKOUT)
        if not path.exists():
            self.refuse(name, f"{path} does not exist")
        return path

    def url(self, name: str, schemes: tuple[str, ...]) -> str:
        url = self._text(name)
        if url and not url.startswith(schemes):
            self.refuse(name, f"must begin with {' or '.join(schemes)}")
        return url

    def key(self, name: str) -> str:
        key = self._text(name)
        if not key.isascii() or not key.isprintable() or " " in key:
            self.refuse(name, "must be printable ASCII without spaces")
        return key

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        text = self._text(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
            self.refuse(name, f"must be a whole number from {least} to {most}, not {text[:40]!r}")
            return default
        return int(text)

    def flag(self, name: str) -> bool:
        text = self._text(name).lower()
        if text not in YES | NO:
            self.refuse(name, f"must be 1 or 0, not {text[:40]!r}")
        return text in YES
