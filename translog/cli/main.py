"""The command `translog`: finds the module of a command, runs it, and says how it ended.

A command is loaded when it is asked for, so that verifying a file loads no log and no server.
"""

import os
import sys
from importlib import import_module
from typing import Any

import click

from translog import __version__
from translog.cli.exits import OK, READER_GONE, STOPPED, USAGE, exit_code
from translog.cli.output import Output
from translog.errors import TranslogError, UnavailableError
from translog.store.files import why

# In the order in which they are wanted. Each module has a command of its own name.
COMMANDS = (
    "init",
    "keys",
    "serve",
    "add",
    "mint",
    "event",
    "sign",
    "held",
    "publish",
    "checkpoint",
    "prove",
    "anchor",
    "anchors",
    "ots",
    "verify",
    "audit",
    "evidence",
    "monitor",
    "fsck",
    "mirror",
    "export",
    "backup",
    "witness",
    "headers",
    "demo",
)


class ReaderGoneError(Exception):
    """Whoever read our output has seen enough. Never leaves this module."""


class Commands(click.Group):
    """A group whose commands are modules beside this one."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGoneError from error  # click would end the process with 1

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"translog.cli.{cmd_name}"), cmd_name)
        return command


@click.command(cls=Commands, no_args_is_help=True, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="translog", message="%(prog)s %(version)s")
def translog() -> None:
    """A transparency log: signed events go in, and proofs that anyone can check come out.

    Exit codes: 0 all is well, 1 a check failed or an event was refused, 2 the command line makes
    no sense, 3 something in the way (a missing file, a lock, the disk, the network).
    """


def main() -> None:
    """Run the command line of this process, and end it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # started without it: nothing is read, and nobody listens
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  # until the end
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code."""
    output = Output()
    try:
        code = translog.main(arguments, prog_name="translog", standalone_mode=False, obj=output)
    except click.ClickException as error:
        usage = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        hint = f" (see `{usage} --help`)" if usage else ""
        output.error("usage", f"{error.format_message().rstrip('.')}{hint}")
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        output.error("stopped", "stopped")
        return STOPPED
    except ReaderGoneError:
        # Python would find the same at its exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except TranslogError as error:
        output.error(error.code, str(error))
        return exit_code(error)
    except OSError as error:
        # Python calls it [Errno 13] Permission denied: 'log/log.db'.
        where = "" if error.filename is None else f"{error.filename}: "
        output.error(UnavailableError.code, f"{where}{why(error)}")
        return exit_code(UnavailableError())
    return code if isinstance(code, int) else OK
