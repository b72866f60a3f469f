"""YAML as grid files use it: texts, numbers, lists and mappings, each written out.

What makes a small file large or slow is refused while it is read: anchors, tags, depth, and more
values than a grid has.
"""

from typing import Any

import yaml

_DEPTH = 8  # an exclusion's list of values is at depth 4
_VALUES = 50_000
_LONG = 30  # characters of a number
_STR = "tag:yaml.org,2002:str"
_PLAIN = ("null", "bool", "int", "float")  # what a text without quotes can be beside a text


def load(text: str) -> Any:
    """What ``text`` says. Raises `yaml.YAMLError` where it says it in another way than above."""
    return yaml.load(text, _Loader)


class _Loader(yaml.SafeLoader):
    """Strict, and of bounded depth and size."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag.rpartition(":")[2] in _PLAIN]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.YAMLError(f"anchors and aliases are not read{event.start_mark}")
        if getattr(event, "tag", None):
            raise yaml.YAMLError(f"tags are not read{event.start_mark}")
        self._depth += 1
        self._values += 1
        if self._depth > _DEPTH:
            raise yaml.YAMLError(f"it is nested more than {_DEPTH} deep{event.start_mark}")
        if self._values > _VALUES:
            raise yaml.YAMLError(f"it holds more than {_VALUES:,} values")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuses a key that stands twice, of which YAML would take the last, or is no text."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _STR:
                raise yaml.YAMLError(f"a name is not a text{key.start_mark}")
            if key.value in seen:
                raise yaml.YAMLError(f"{key.value[:_LONG]!r} stands twice{key.start_mark}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: Any) -> Any:
        """A number; the text where it is none, or too long a one: whose field it is says so."""
        make = self.construct_yaml_int if node.tag.endswith("int") else self.construct_yaml_float
        try:
            return make(node) if len(node.value) <= _LONG else node.value
        except (ValueError, OverflowError):
            return node.value


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)
