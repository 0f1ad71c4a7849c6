"""What commands print: short lines for people, or JSON for programs.

Results go to stdout, everything else to stderr. Colours are for terminals only, and mean nothing
that the words do not say.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

Row = tuple[str, str]
Progress = Callable[[int, int], None]

# What stands in front of a finding, by its status, and in which style.
MARKS = {
    "proved": ("proved", "ok"),
    "failed": ("FAILED", "bad"),
    "not-shown": ("not shown", "doubt"),
    "not-checkable": ("not checkable", "doubt"),
}
MARK_WIDTH = max(len(mark) for mark, _ in MARKS.values())
STYLES = {"ok": "green", "bad": "bold red", "doubt": "yellow", "": ""}


class Output:
    """Where one command's results go.

    Attributes:
        json: print JSON, one value a line.
    """

    def __init__(self) -> None:
        self.json = False
        self._bar: Any = None  # rich's, while one is on the screen

    def value(self, value: Mapping[str, Any]) -> None:
        """Print a result for programs."""
        self._print(escaped(json.dumps(value, ensure_ascii=False)))

    def rows(self, rows: Iterable[Row]) -> None:
        """Print names and values, one below the other."""
        rows = list(rows)
        width = max((len(name) for name, _ in rows), default=0)
        for name, text in rows:
            self._print(f"{name:<{width}}  {clean(text)}".rstrip())

    def line(self, text: str, *, mark: str = "", style: str = "") -> None:
        """Print one line, with a word in front that says what it is, in colour on a terminal."""
        if not mark:
            self._print(clean(text))
        elif self._coloured():
            from rich.text import Text

            self._rich(Text.assemble((mark, STYLES[style]), clean(text)))
        else:
            self._print(mark + clean(text))

    def result(self, value: Mapping[str, Any], rows: Iterable[Row]) -> None:
        """Print a command's one result: `value` for programs, `rows` for people."""
        if self.json:
            self.value(value)
        else:
            self.rows(rows)

    def error(self, code: str, detail: str, *, evidence: bytes = b"") -> None:
        """Say why the command ends: a line on stderr, and with --json an object on stdout, too.

        Args:
            evidence: a file of evidence, in JSON, to be shown byte for byte.
        """
        if self.json:
            error: dict[str, Any] = {"code": code, "detail": detail}
            if evidence:
                error["evidence"] = json.loads(evidence)
            self.value({"error": error})
            sys.stdout.flush()
        click.echo(f"translog: {clean(detail)}", err=True)
        if evidence:
            click.echo(escaped(evidence.decode().rstrip("\n")), err=True)

    def note(self, text: str) -> None:
        """Tell people something that is not a result."""
        if not self.json:
            click.echo(clean(text), err=True)

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Show a bar on a terminal while the block runs; call what is given with (done, total)."""
        if self.json or not sys.stderr.isatty():
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
        )
        console = Console(stderr=True)
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            self._bar = bar
            task = bar.add_task(what, total=None)
            try:
                yield lambda done, total: bar.update(task, completed=done, total=total or None)
            finally:
                self._bar = None

    def _coloured(self) -> bool:
        return sys.stdout.isatty()

    def _rich(self, text: Any) -> None:
        from rich.console import Console

        console = self._bar.console if self._bar is not None else Console()
        console.print(text, highlight=False, soft_wrap=True)

    def _print(self, text: str) -> None:
        if self._bar is not None and self._coloured():
            from rich.text import Text

            self._rich(Text(text))  # above the bar, and not through it
        else:
            click.echo(text)


def clean(text: str) -> str:
    """Return text that a stranger may have sent as one line that cannot steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def escaped(text: str) -> str:
    """Return JSON that says the same, with the escapes of JSON for what is not printable."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option --json."""

    def choose(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        ctx.find_object(Output).json = wanted  # type: ignore[union-attr]  # `run` puts it there

    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=choose,
        help="Print JSON, for programs.",
    )(command)


def counted(number: int, thing: str) -> str:
    """Return "1 event" or "2 events"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
