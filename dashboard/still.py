"""Parts of a page that no callback touches, handed over as one component.

Dash keeps every component in its store and asks each of them at every change: a page of two thousand table cells is
seconds of work in the browser before anything is drawn. What only stands there (no id, nothing but HTML) needs none of
that: `still` puts it into one attribute, from which assets/50_base/still.js makes the elements.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dash.development.base_component import Component

LEAST = 3
"""So many components below one are worth it."""
RENAMED = {"className": "class", "htmlFor": "for"}
LINK = ("dash_core_components", "Link")
LINK_PROPS = frozenset({"children", "href", "className", "title"})


def still(children: Any) -> Any:
    """The same content, each component of it with only plain HTML below made into one. Ids stay what they are."""
    if isinstance(children, list | tuple):
        return [still(child) for child in children]
    if not isinstance(children, Component) or getattr(children, "children", None) is None:
        return children
    below = _trees(children.children) if _is_plain(children) else None
    if below is None or sum(map(_size, below)) < LEAST:
        children.children = still(children.children)
        return children
    children.children = None
    setattr(children, "data-still", json.dumps(below, ensure_ascii=False, separators=(",", ":")))
    return children


def _is_plain(component: Component) -> bool:
    return component._namespace == "dash_html_components" and getattr(component, "id", None) is None


def _trees(children: Any) -> list[Any] | None:
    """Texts, and `[tag, attributes, ...below]`; None when something in it lives."""
    found = []
    for child in children if isinstance(children, list | tuple) else [children]:
        if isinstance(child, list | tuple):
            below = _trees(child)
            if below is None:
                return None
            found += below
        elif isinstance(child, Component):
            tree = _tree(child)
            if tree is None:
                return None
            found.append(tree)
        elif child is not None and not isinstance(child, bool):
            found.append(str(child))
    return found


def _tree(component: Component) -> list[Any] | None:
    props = dict(component.to_plotly_json()["props"])  # type: ignore[no-untyped-call]
    link = (component._namespace, component._type) == LINK
    if not (_is_plain(component) or (link and props.keys() <= LINK_PROPS)):
        return None
    below, attributes = _trees(props.pop("children", None)), _attributes(props)
    if below is None or attributes is None:
        return None
    if link:
        attributes["data-link"] = ""
    return ["a" if link else component._type.lower(), attributes, *below]


def _attributes(props: Mapping[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for name, value in props.items():
        if name == "style":
            if not all(isinstance(one, str) for one in value.values()):
                return None  # numbers are pixels to React, but not for every property
            found[name] = value
        elif name != "key" and value is not None and value is not False:
            found[RENAMED.get(name, name.lower())] = "" if value is True else str(value)
    return found


def _size(tree: Any) -> int:
    return 1 + sum(map(_size, tree[2:])) if isinstance(tree, Sequence) and not isinstance(tree, str) else 0
