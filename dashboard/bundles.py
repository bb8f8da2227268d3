"""The program's own scripts and styles as one file each: a page that names a hundred small ones waits for as many
answers the first time, and takes a tenth more of the browser's time every time."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Collection
from pathlib import Path

from flask import Flask, Response

MIMETYPES = {".js": "text/javascript", ".css": "text/css"}
BESIDE = re.compile(r"""url\((["']?)(?!["']?(?:data:|/|#))([^"')]+)\1\)""")
"""What a style names by where it lies: by its whole address in a file that lies elsewhere."""


def serve_bundle(server: Flask, folder: Path, prefix: str, kind: str, without: Collection[str] = ()) -> str:
    """Serve all files of `folder` that end in `kind` (`.js`, `.css`) as one, in the order of their paths; returns its
    address, another one when it changes. `prefix`: the path that `folder` is served at, with slashes around it.
    `without`: names of files that are no part of it."""
    paths = sorted(path for path in folder.rglob(f"*{kind}") if path.name not in without)
    content = "\n".join(_part(path.relative_to(folder).as_posix(), path.read_text("utf-8"), prefix) for path in paths)
    path = f"{prefix}all{kind}"
    server.add_url_rule(path, path, lambda: Response(content, mimetype=MIMETYPES[kind]))
    return f"{path}?m={hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _part(name: str, content: str, prefix: str) -> str:
    """A file's content under its name, to be found in a browser's tools."""
    if name.endswith(".css"):
        here = posixpath.dirname(f"{prefix}{name}")
        content = BESIDE.sub(lambda found: f'url("{posixpath.normpath(posixpath.join(here, found[2]))}")', content)
    return f"/* {name} */\n{content}" + "\n;" * name.endswith(".js")  # a last line may be a comment
