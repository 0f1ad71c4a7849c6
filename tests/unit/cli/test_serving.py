"""What serves needs the extra `server`, and says so."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulators.logs import new_log
from translog.cli.exits import ENVIRONMENT
from translog.cli.serving import installed
from translog.errors import UnavailableError

WITHOUT_SERVER = """
import sys
sys.modules["uvicorn"] = None
from translog.cli.main import main
sys.argv[1:1] = ["serve"]
main()
"""


def test_a_log_is_not_served_without_the_server(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SERVER, str(log.path)], capture_output=True, text=True
    )
    assert done.returncode == ENVIRONMENT
    assert "uvicorn is not installed: pip install 'translog[server]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_missing_of_translog_itself_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"translog\.nowhere"), installed():
        raise ModuleNotFoundError("no translog.nowhere", name="translog.nowhere")
    with pytest.raises(UnavailableError, match="elsewhere is not installed"), installed():
        raise ModuleNotFoundError("no elsewhere", name="elsewhere")
