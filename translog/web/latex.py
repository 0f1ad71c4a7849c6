"""The LaTeX package `pith.sty`, as it lies beside this module, and as a registry serves it."""

import re
from importlib import resources

DEFAULT = b"\\newcommand*\\pith@resolver{https://pith.science}"
# What TeX reads as it stands.
_PLAIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:/]+")


def style_file(base_url: str | None = None) -> bytes:
    """Return the package; its links lead to `base_url`, if that is one that TeX can read."""
    content = resources.files("translog.web").joinpath("static", "pith.sty").read_bytes()
    if base_url is None or not _PLAIN.fullmatch(base_url):
        return content
    return content.replace(DEFAULT, f"\\newcommand*\\pith@resolver{{{base_url}}}".encode())
