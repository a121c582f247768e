"""Settings, read from the environment once, here and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


def environment() -> Mapping[str, str]:
    """The process environment, for the composition roots to read their settings from."""
    return dict(os.environ)  # noqa: TID251


@dataclass(frozen=True, slots=True)
class Settings:
    """What a function is told from outside.

    `database_url` and `redis_url` are libpq and redis URLs; `sink_url` is where events go (K_SINK, as a
    SinkBinding injects it); `port`, `workers` and `threads` shape the server, and each worker opens at most
    `database_connections`.
    """

    function_target: str = ""
    port: int = 8080
    workers: int = 1
    threads: int = 8
    database_connections: int = 5
    database_url: str = ""
    redis_url: str = ""
    sink_url: str = ""
    admin_api_key: str = ""
    log_level: str = "INFO"

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        return cls(
            function_target=env.get("FUNCTION_TARGET", ""),
            port=int(env.get("PORT", "8080")),
            workers=int(env.get("WORKERS", "1")),
            threads=int(env.get("THREADS", "8")),
            database_connections=int(env.get("DATABASE_CONNECTIONS", "5")),
            database_url=env.get("DATABASE_URL", ""),
            redis_url=env.get("REDIS_URL", ""),
            sink_url=env.get("K_SINK", ""),
            admin_api_key=env.get("ADMIN_API_KEY", ""),
            log_level=env.get("LOG_LEVEL", "INFO"),
        )
