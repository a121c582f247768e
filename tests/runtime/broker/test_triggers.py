from pathlib import Path

import pytest

from runtime.broker.manifests import Broker, DeliveryPolicy
from runtime.broker.triggers import TriggerFiles

BROKER = Broker("billing", "default", DeliveryPolicy())


def document(name: str, event_type: str = "t") -> str:
    return f"""
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: {name}, namespace: billing}}
spec: {{subscriber: {{uri: 'http://x'}}, filters: [{{exact: {{type: {event_type}}}}}]}}
"""


@pytest.fixture
def files(tmp_path: Path) -> TriggerFiles:
    (tmp_path / "own").mkdir()
    (tmp_path / "more").mkdir()
    (tmp_path / "own" / "a.yaml").write_text(document("a"))
    return TriggerFiles((tmp_path / "own", tmp_path / "more"), BROKER)


def refreshed(files: TriggerFiles) -> tuple[set[str], list[str]]:
    found = files.refresh()
    assert found is not None
    return set(found[0]), [str(fault) for fault in found[1]]


def test_the_triggers_of_all_folders_are_in_force(files: TriggerFiles, tmp_path: Path) -> None:
    (tmp_path / "more" / "b.yml").write_text(document("b") + "---" + document("c"))
    assert refreshed(files) == ({"a", "b", "c"}, [])


def test_nothing_is_said_until_a_file_changes(files: TriggerFiles, tmp_path: Path) -> None:
    refreshed(files)
    assert files.refresh() is None
    (tmp_path / "more" / "b.yaml").write_text(document("b"))
    assert refreshed(files) == ({"a", "b"}, [])
    (tmp_path / "own" / "a.yaml").unlink()
    assert refreshed(files) == ({"b"}, [])


def test_a_broken_file_leaves_its_triggers_in_force_and_says_what_is_wrong(
    files: TriggerFiles, tmp_path: Path
) -> None:
    refreshed(files)
    (tmp_path / "own" / "a.yaml").write_text(document("a").replace("subscriber", "subscribr"))
    names, faults = refreshed(files)
    assert names == {"a"}
    assert len(faults) == 1
    assert "a.yaml: spec: " in faults[0]
    assert "subscribr" in faults[0]


def test_a_dialect_that_is_not_evaluated_names_file_and_field(files: TriggerFiles, tmp_path: Path) -> None:
    (tmp_path / "more" / "b.yaml").write_text(
        document("b").replace("exact: {type: t}", "cesql: \"type = 't'\"")
    )
    names, faults = refreshed(files)
    assert names == {"a"}
    assert "b.yaml: spec.filters[0].cesql: " in faults[0]


def test_two_triggers_of_one_name_are_refused(files: TriggerFiles, tmp_path: Path) -> None:
    (tmp_path / "more" / "b.yaml").write_text(document("a", "other"))
    (tmp_path / "more" / "c.yaml").write_text(document("c") + "---" + document("c"))
    names, faults = refreshed(files)
    assert names == {"a"}
    assert "b.yaml: metadata.name: there is another Trigger a" in faults[0]
    assert "c.yaml: metadata.name: there is another Trigger c" in faults[1]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert TriggerFiles((tmp_path / "absent",), BROKER).refresh() is None


def test_an_empty_file_holds_nothing_yet(files: TriggerFiles, tmp_path: Path) -> None:
    (tmp_path / "more" / "b.yaml").touch()
    assert refreshed(files) == ({"a"}, [])
