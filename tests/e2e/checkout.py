"""A copy of this checkout, which a test changes before it runs the product from it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

CHECKOUT = Path(__file__).parents[2]
FOLDERS = ("data", "emitter", "eventing", "functions", "runtime", "shared", "tests", "triggers")
BASE = Path("eventing/manifests/base")
OVERLAY = Path("eventing/manifests/overlays/in-memory")


@dataclass(frozen=True, slots=True)
class Checkout:
    path: Path

    @classmethod
    def copy(cls, to: Path) -> Self:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        for folder in FOLDERS:
            shutil.copytree(CHECKOUT / folder, to / folder, ignore=ignored)
        return cls(to)

    def replace(self, file: str, old: str, new: str) -> None:
        """Changes the one place where `old` stands; a test must notice when it no longer does."""
        path = self.path / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} has {text.count(old)} times: {old}"
        path.write_text(text.replace(old, new))

    def edit(self, file: str | Path, change: Callable[[list[Any]], None]) -> None:
        """Changes the documents of a YAML file."""
        path = self.path / file
        documents = list(yaml.safe_load_all(path.read_text()))
        change(documents)
        path.write_text(yaml.safe_dump_all(documents))

    def set_delivery(self, **delivery: object) -> None:
        """Of the Broker that the embedded runtime reads; what is not named stays."""

        def change(documents: list[Any]) -> None:
            documents[0]["spec"]["delivery"] |= delivery

        self.edit(OVERLAY / "broker.yaml", change)

    def set_schedule(self, ping_source: str, schedule: str) -> None:
        def change(documents: list[Any]) -> None:
            (found,) = (d for d in documents if d["metadata"]["name"] == ping_source)
            found["spec"]["schedule"] = schedule

        self.edit(BASE / "ping-sources.yaml", change)
