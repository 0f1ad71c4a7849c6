"""pith.sty: built where TeX is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from translog.web.latex import style_file

SUFFIX = "HAMJZSQVKL4VHWOAINCHUE26II"
PDFLATEX = shutil.which("pdflatex")
with_tex = pytest.mark.skipif(PDFLATEX is None, reason="pdflatex is not installed (texlive)")

PAPER = r"""
\documentclass%(options)s
\pdfcompresslevel=0 \pdfobjcompresslevel=0
%(packages)s
\title{A Title}\author{A. Author}
\begin{document}
\maketitle
Text.
\end{document}
"""
BARE = rf"\usepackage{{pith}}\pithnumber{{{SUFFIX}}}"


def build(
    folder: Path, packages: str = BARE, options: str = "{article}"
) -> subprocess.CompletedProcess[str]:
    """Run pdflatex once, and return how that ended."""
    (folder / "pith.sty").write_bytes(style_file())
    (folder / "paper.tex").write_text(PAPER % {"packages": packages, "options": options})
    return subprocess.run(
        [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )


@with_tex
@pytest.mark.parametrize(
    ("options", "more"),
    [
        ("{article}", ""),
        ("[twocolumn,11pt]{article}", ""),
        ("[titlepage]{article}", ""),
        ("{report}", ""),
        ("{article}", r"\usepackage{hyperref}"),
    ],
)
def test_the_badge_is_linked_and_the_number_in_the_metadata(
    tmp_path: Path, options: str, more: str
) -> None:
    done = build(tmp_path, f"{more}{BARE}", options)
    assert done.returncode == 0, done.stdout[-2_000:]
    assert "Overfull" not in done.stdout
    pdf = (tmp_path / "paper.pdf").read_bytes()
    url = f"https://pith.science/pith/{SUFFIX}".encode()
    assert b"/PithNumber (%b)" % SUFFIX.encode() in pdf
    assert b"/PithResolver (%b)" % url in pdf
    links = re.findall(rb"/URI\s*\((.*?)\)", pdf)
    assert links == [url]


@with_tex
def test_another_registry_can_be_named(tmp_path: Path) -> None:
    done = build(
        tmp_path,
        rf"\usepackage[resolver=https://registry.example/a_b]{{pith}}\pithnumber{{pith:2024:{SUFFIX}}}",
    )
    assert done.returncode == 0, done.stdout[-2_000:]
    pdf = (tmp_path / "paper.pdf").read_bytes()
    assert f"https://registry.example/a_b/pith/{SUFFIX}".encode() in pdf


@with_tex
@pytest.mark.parametrize(
    "number", ["HAMJ", SUFFIX.lower(), f"{SUFFIX}A", f"pith:24:{SUFFIX}", "", r"\relax", "a b"]
)
def test_what_is_no_number_is_an_error_that_says_so(tmp_path: Path, number: str) -> None:
    done = build(tmp_path, rf"\usepackage{{pith}}\pithnumber{{{number}}}")
    assert done.returncode != 0
    assert "is not a Pith Number" in done.stdout.replace("\n", "")


@with_tex
def test_the_badge_can_be_put_elsewhere_and_is_there_once(tmp_path: Path) -> None:
    done = build(tmp_path, rf"{BARE}\author{{\pithbadge}}")
    assert done.returncode == 0, done.stdout[-2_000:]
    pdf = (tmp_path / "paper.pdf").read_bytes()
    assert len(re.findall(rb"/URI\s*\(", pdf)) == 1


@with_tex
def test_without_a_number_there_is_a_warning_and_no_badge(tmp_path: Path) -> None:
    done = build(tmp_path, r"\usepackage{pith}")
    assert done.returncode == 0
    assert "there is no badge" in done.stdout.replace("\n", " ")
    assert b"/PithNumber" not in (tmp_path / "paper.pdf").read_bytes()


def test_a_registry_serves_it_with_its_own_address() -> None:
    assert b"@resolver{https://pith.science}" in style_file()
    served = style_file("https://registry.example/log")
    assert b"@resolver{https://registry.example/log}" in served
    assert len(served.splitlines()) == len(style_file().splitlines())


@pytest.mark.parametrize("url", ["https://a/%20", "https://a/#x", "https://a/~b", "https://a/{}"])
def test_an_address_that_tex_would_misread_is_not_put_in(url: str) -> None:
    assert style_file(url) == style_file()
