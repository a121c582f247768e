"""YAML in which no key is given twice; the ordinary reader keeps the last in silence."""

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from shared.domain.errors import Rejected


class _StrictLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(str(key.value) for key, _ in node.value)
        if twice := sorted(key for key, times in keys.items() if times > 1):
            raise yaml.MarkedYAMLError(
                problem=f"{', '.join(twice)} given twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def read_documents(path: Path) -> list[Any]:
    """The documents of a file that are not empty. Raises Rejected saying where it is broken."""
    try:
        return [
            document for document in yaml.load_all(path.read_text(), _StrictLoader) if document is not None
        ]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Rejected.because(str(path), " ".join(str(error).split())) from error
