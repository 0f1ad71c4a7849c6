"""What is printed: results to stdout, for people or programs; nothing that steers a terminal."""

import json

import pytest

from translog.cli.output import Output, clean, counted


def test_rows_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    Output().result({}, [("A", "1"), ("Long", "2"), ("B", "")])
    assert capsys.readouterr().out == "A     1\nLong  2\nB\n"


def test_json_is_one_value_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.json = True
    output.result({"a": "ü\n"}, [("A", "1")])
    output.note("not for programs")
    captured = capsys.readouterr()
    assert captured.out == '{"a": "ü\\n"}\n'
    assert captured.err == ""


def test_notes_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Output().note("by the way")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "by the way\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü ✓", "plain ü ✓"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb\x08c\x9b", "a\\rb\\x08c\\x9b"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\ud800", "\\ud800"),
    ],
)
def test_a_stranger_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_everything_printed_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.rows([("A", "\x1b[2J")])
    output.line("\x1b[2J", mark="bad  ", style="bad")
    output.line("\x1b[2J")
    output.error("code", "\x1b[2J")
    output.note("\x1b[2J")
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    output.json = True
    output.error("code", "\x1b[2J")
    assert "\x1b" not in capsys.readouterr().out


def test_json_says_the_same_without_what_steers_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    value = {"name": "\x9b\u202e\ud800\x1b\n\U000e0001ü"}
    Output().value(value)
    printed = capsys.readouterr().out
    assert printed.removesuffix("\n").isprintable()
    assert json.loads(printed) == value


def test_evidence_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.json = True
    output.error("code", "a\nb", evidence='{"note":"c\\n\x9b"}\n'.encode())
    captured = capsys.readouterr()
    assert captured.err == 'translog: a\\nb\n{"note":"c\\n\\u009b"}\n'
    error = json.loads(captured.out)["error"]
    assert error == {"code": "code", "detail": "a\nb", "evidence": {"note": "c\n\x9b"}}


def test_marks_have_colours_on_terminals_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output()
    output.line("all is well", mark="proved  ", style="ok")
    assert capsys.readouterr().out == "proved  all is well\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    output.line("all is well [bold]" + "x" * 200, mark="proved  ", style="ok")
    coloured = capsys.readouterr().out
    assert coloured == f"\x1b[32mproved  \x1b[0mall is well [bold]{'x' * 200}\n"
    monkeypatch.setenv("NO_COLOR", "1")
    output.line("all is well", mark="proved  ", style="ok")
    assert capsys.readouterr().out == "proved  all is well\n"


def test_no_bar_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress("working") as progress:
        progress(1, 2)
    assert capsys.readouterr().err == ""


def test_a_bar_is_on_stderr_and_lines_go_above_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    output = Output()
    with output.progress("working") as progress:
        progress(1, 2)
        progress(2, 0)
        output.line("stays on stdout when that is a file")
    captured = capsys.readouterr()
    assert "working" in captured.err
    assert captured.out == "stays on stdout when that is a file\n"
    output.json = True
    with output.progress("working") as progress:
        progress(1, 2)
    assert capsys.readouterr().err == ""


def test_things_are_counted() -> None:
    assert counted(1, "event") == "1 event"
    assert counted(0, "event") == "0 events"
    assert counted(12_345, "event") == "12,345 events"


def test_errors_are_json_when_that_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.json = True
    output.error("wrong-hash", "leaf 7")
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": {"code": "wrong-hash", "detail": "leaf 7"}}
    assert captured.err == "translog: leaf 7\n"
