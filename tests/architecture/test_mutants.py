"""The table of scripts/mutants follows the sources: a mutant that changes nothing shows nothing."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def load() -> ModuleType:
    loader = SourceFileLoader("mutants", str(ROOT / "scripts" / "mutants"))
    spec = spec_from_loader("mutants", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


TABLE = load().MUTANTS


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_text_to_be_changed_stands_there_once(name: str) -> None:
    tests, mutants = TABLE[name]
    source = (ROOT / name).read_text()
    assert [text for text, _ in mutants if source.count(text) != 1] == []
    assert [text for text, replacement in mutants if text == replacement] == []
    assert [test for test in tests if not (ROOT / test).exists()] == []
