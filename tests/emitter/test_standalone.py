"""The emitter is installed into other people's functions: it brings nothing and does nothing by itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "emitter" / "faas_billing_emitter"
OLDEST = (3, 10)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_a_module_needs_only_the_standard_library_of_python_3_10(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=OLDEST)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in imported}
    assert roots <= sys.stdlib_module_names | {"faas_billing_emitter"}


def test_importing_it_starts_nothing_and_opens_nothing() -> None:
    program = """
import os, threading
before = set(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else set()
import faas_billing_emitter
after = set(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else set()
assert threading.active_count() == 1
assert before == after
"""
    subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{program}"],
        check=True,
        timeout=30,
    )
