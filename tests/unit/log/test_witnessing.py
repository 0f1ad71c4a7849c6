"""log.witnessing: which witnesses are asked, read strictly, and refused while it can be mended."""

import sys
from pathlib import Path

import pytest

from translog.errors import MalformedError, UnavailableError
from translog.formats import keys, mldsa
from translog.formats.cosignature import CosigningKey
from translog.formats.note import Verifier
from translog.log.witnessing import parse, read_settings

OWN = Verifier(name="example.com/log", public_key=keys.SigningKey(b"l" * 32).public_key)
W1, W2 = (CosigningKey(name=f"w{n}", key=keys.SigningKey(bytes([n]) * 32)).cosigner for n in (1, 2))
W1_PQ = CosigningKey(name="w1", key=mldsa.SigningKey(b"1" * 32)).cosigner
ONE = f"witness one {W1.vkey} https://w1.example/\n"


def test_a_log_without_a_policy_asks_nobody(tmp_path: Path) -> None:
    assert read_settings(tmp_path, OWN) is None


def test_a_policy_alone_holds_what_lacks_a_quorum(tmp_path: Path) -> None:
    (tmp_path / "policy").write_text(f"{ONE}quorum one\n")
    settings = read_settings(tmp_path, OWN)
    assert settings is not None
    assert settings.urls == {"https://w1.example": (W1,)}
    assert (settings.without_quorum, settings.deadline_seconds) == ("hold", 5.0)
    (tmp_path / "witnessing.toml").write_text('without_quorum = "publish"\ndeadline = "500ms"\n')
    settings = read_settings(tmp_path, OWN)
    assert settings is not None
    assert (settings.without_quorum, settings.deadline_seconds) == ("publish", 0.5)


def test_keys_at_one_url_are_one_witness_and_those_without_are_not_asked(tmp_path: Path) -> None:
    text = f"{ONE}witness one-pq {W1_PQ.vkey} https://w1.example\nwitness two {W2.vkey}\n"
    (tmp_path / "policy").write_text(f"{text}group any any one one-pq two\nquorum any\n")
    settings = read_settings(tmp_path, OWN)
    assert settings is not None
    assert settings.urls == {"https://w1.example": (W1, W1_PQ)}


WRONG = {
    "quorum two\n": r"policy: policy, line 1: quorum is 'two'",
    f"witness two {W2.vkey}\nquorum two\n": (
        r"policy: quorum 'two' needs witnesses that have no URL here: 'two'$"
    ),
    f"log {Verifier(name=OWN.name, public_key=W2.public_key).vkey}\nquorum none\n": (
        r"policy: lists logs, and none with the key example.com/log\+.*: this log's own$"
    ),
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_policy_that_cannot_work_is_refused_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy").write_text(text)
    with pytest.raises(MalformedError, match=WRONG[text]):
        read_settings(tmp_path, OWN)


def test_a_policy_may_list_this_log_and_others(tmp_path: Path) -> None:
    other = Verifier(name="example.com/other", public_key=W2.public_key)
    (tmp_path / "policy").write_text(f"log {other.vkey}\nlog {OWN.vkey}\nquorum none\n")
    assert read_settings(tmp_path, OWN) is not None


def test_a_choice_without_a_policy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "witnessing.toml").write_text("")
    with pytest.raises(
        MalformedError, match=r"witnessing.toml is there, and no .*policy: want both"
    ):
        read_settings(tmp_path, OWN)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("without_quorum = ", "not TOML: "),
        ("\xff", "not TOML: "),
        ('quorum = "x"', r"unknown members \['quorum'\], want without_quorum, deadline$"),
        ('without_quorum = "Hold"', "without_quorum is 'Hold', want hold or publish$"),
        ("without_quorum = 1", "without_quorum is 1, want hold or publish$"),
        ("deadline = 5", "deadline is 5, want one like 500ms or 5s, at most 60s$"),
        *(
            (f'deadline = "{text}"', f"deadline is '{text}', want one like 500ms")
            for text in ("0s", "5", "1m", "61s", "-1s", "5 s", "05s", "\u0665s", "1e3ms")
        ),
    ],
)
def test_what_is_misspelt_is_refused(tmp_path: Path, text: str, says: str) -> None:
    raw = text.encode("latin-1") if text == "\xff" else text.encode()
    with pytest.raises(MalformedError, match=says):
        parse(raw)
    (tmp_path / "policy").write_text("quorum none\n")
    (tmp_path / "witnessing.toml").write_bytes(raw)
    with pytest.raises(MalformedError, match=rf"policy: .*witnessing.toml: {says}"):
        read_settings(tmp_path, OWN)


def test_ml_dsa_that_is_not_installed_is_found_out_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy").write_text(f"witness one {W1_PQ.vkey} https://w.example\nquorum one\n")
    assert read_settings(tmp_path, OWN) is not None
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(UnavailableError, match=r"install translog\[pq\]"):
        read_settings(tmp_path, OWN)
