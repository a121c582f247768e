"""The Triggers in force: those of some folders of YAML, read again whenever a file changes."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.broker.manifests import Broker, Trigger, load_triggers
from runtime.manifest_documents import yaml_files
from shared.domain.errors import Fault, Rejected

Stamp = tuple[int, int, int]


@dataclass(slots=True)
class TriggerFiles:
    """A file that cannot be read leaves the Triggers that it had in force."""

    folders: Sequence[Path]
    broker: Broker
    _stamps: dict[Path, Stamp] = field(default_factory=dict)
    _loaded: dict[Path, tuple[Trigger, ...]] = field(default_factory=dict)

    def refresh(self) -> tuple[Mapping[str, Trigger], list[Fault]] | None:
        """The Triggers by name and what is wrong with the files; None where no file has changed."""
        stamps = dict(stamp for folder in self.folders for stamp in _stamps_of(folder))
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        faults: list[Fault] = []
        triggers: dict[str, Trigger] = {}
        for path in stamps:
            try:
                self._loaded[path] = _load(path, self.broker, taken=triggers)
            except Rejected as error:
                faults += error.faults
            triggers |= {trigger.name: trigger for trigger in self._loaded.get(path, ())}
        return triggers, faults


def _load(path: Path, broker: Broker, *, taken: Container[str]) -> tuple[Trigger, ...]:
    triggers = load_triggers(path, broker)
    names = [trigger.name for trigger in triggers]
    for position, name in enumerate(names):
        if name in taken or name in names[:position]:
            raise Rejected.because(f"{path}: metadata.name", f"there is another Trigger {name}")
    return triggers


def _stamps_of(folder: Path) -> list[tuple[Path, Stamp]]:
    found = []
    for path in yaml_files(folder):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        found.append((path.absolute(), (stat.st_mtime_ns, stat.st_size, stat.st_ino)))
    return found
