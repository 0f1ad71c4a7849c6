"""translog.formats.policy: tlog-policy, rule by rule, and what makes a quorum."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translog.errors import MalformedError, TooLargeError, TranslogError
from translog.formats import keys, mldsa
from translog.formats.cosignature import Cosigner, CosigningKey
from translog.formats.note import Verifier, Vkey
from translog.formats.policy import (
    MAX_LINES,
    MAX_POLICY_BYTES,
    Group,
    Log,
    Policy,
    Witness,
    parse_log_key,
    parse_logs,
    parse_policy,
)


def ed25519(name: str) -> Cosigner:
    seed = name.encode().ljust(32, b".")[:32]
    return CosigningKey(name=f"{name}.example", key=keys.SigningKey(seed)).cosigner


LOG = Verifier(name="log.example", public_key=keys.SigningKey(b"l" * 32).public_key)
LOG_PQ = CosigningKey(name="log.example", key=mldsa.SigningKey(b"l" * 32)).cosigner
X1, X2, X3, Y1, Y2, Y3 = (ed25519(name) for name in ("x1", "x2", "x3", "y1", "y2", "y3"))
X1_PQ = CosigningKey(name="x1.example", key=mldsa.SigningKey(b"x" * 32)).cosigner
X2_PQ = CosigningKey(name="x2.example", key=mldsa.SigningKey(b"y" * 32)).cosigner

# The example of the specification, with keys.
EXAMPLE = f"""\
log {LOG.vkey}

witness X1 {X1.vkey}
witness X2 {X2.vkey}
witness X3 {X3.vkey}
group X-witnesses 2 X1 X2 X3

witness Y1 {Y1.vkey}
witness Y2 {Y2.vkey}
witness Y3 {Y3.vkey}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def read(text: str) -> Policy:
    return parse_policy(text.encode())


def test_the_example_of_the_specification_is_read() -> None:
    policy = read(EXAMPLE)
    assert policy.logs == (Log(key=LOG),)
    assert [witness.name for witness in policy.witnesses] == ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    assert policy.witnesses[0] == Witness(name="X1", key=X1)
    assert policy.groups == (
        Group(name="X-witnesses", threshold=2, members=("X1", "X2", "X3")),
        Group(name="Y-witnesses", threshold=1, members=("Y1", "Y2", "Y3")),
        Group(name="X-and-Y", threshold=2, members=("X-witnesses", "Y-witnesses")),
    )
    assert policy.quorum == "X-and-Y"


def test_the_example_wants_two_of_one_group_and_one_of_the_other() -> None:
    policy = read(EXAMPLE)
    xs, ys = {X1, X2, X3}, {Y1, Y2, Y3}
    everybody = sorted(xs | ys, key=lambda key: key.name)
    for count in range(7):
        for signed in combinations(everybody, count):
            wanted = len(xs & set(signed)) >= 2 and len(ys & set(signed)) >= 1
            assert policy.is_met(signed) == wanted, signed
    stranger = ed25519("stranger")
    assert not policy.is_met({X1, stranger, Y1})
    assert policy.is_met({X1, X2, Y1, stranger})


def test_quorum_none_asks_for_nobody_and_a_single_witness_for_itself() -> None:
    assert read("quorum none\n") == Policy()
    assert read("quorum none\n").is_met(())
    policy = read(f"witness A {X1.vkey}\nwitness B {X2.vkey}\nquorum A\n")
    assert policy.is_met({X1})
    assert not policy.is_met({X2})
    assert not policy.is_met(())
    assert read(f"witness A {X1.vkey}\nquorum none\n").is_met(())


def test_a_policy_without_logs_serves_where_the_log_is_known() -> None:
    policy = read("quorum none\n")
    assert policy.keys_of("log.example") == ()
    assert policy.trusting([LOG, LOG_PQ]).keys_of("log.example") == (LOG, LOG_PQ)
    assert policy.trusting([LOG]).keys_of("log.exampl") == ()
    listed = read(EXAMPLE).trusting([LOG_PQ])
    assert listed.logs == (Log(key=LOG_PQ),)
    assert listed.quorum == "X-and-Y"


def test_a_list_of_logs_needs_no_quorum_and_is_as_strict() -> None:
    assert parse_logs(f"# logs\nlog {LOG.vkey} u\n".encode()) == (Log(key=LOG, url="u"),)
    assert parse_logs(EXAMPLE.encode()) == (Log(key=LOG),)
    assert parse_logs(b"") == ()
    for text in (f"log {LOG.vkey}", f"log {LOG.vkey}\nlog {LOG.vkey}\n", f"{LOG.vkey}\n"):
        with pytest.raises(MalformedError, match=r"^policy"):
            parse_logs(text.encode())


def test_logs_are_of_type_01_or_06_with_their_urls() -> None:
    policy = read(f"log {LOG.vkey} https://log.example/\nlog {LOG_PQ.vkey}\nquorum none\n")
    assert policy.logs == (Log(key=LOG, url="https://log.example/"), Log(key=LOG_PQ))
    assert policy.keys_of("log.example") == (LOG, LOG_PQ)
    assert policy.logs[1].origin == "log.example"


def test_witnesses_are_of_type_04_or_06_with_their_urls() -> None:
    policy = read(f"witness A {X1.vkey} https://w.example\nwitness B {X1_PQ.vkey}\nquorum none\n")
    assert policy.witnesses == (
        Witness(name="A", key=X1, url="https://w.example"),
        Witness(name="B", key=X1_PQ),
    )


def test_blanks_are_spaces_and_tabs_and_comments_are_whole_lines() -> None:
    text = f" \t log\t {LOG.vkey} \t\n\t\n \n# a comment\n \t#another\n\tquorum  none  \n"
    assert read(text) == read(f"log {LOG.vkey}\nquorum none\n")
    # A comment does not begin in the middle of a line.
    with pytest.raises(MalformedError, match=r"line 1: quorum line has 3 items, want one name$"):
        read("quorum none # really\n")
    # A space of another script parts nothing.
    with pytest.raises(MalformedError, match=r"line 1: begins with 'quorum\\u2003none'"):
        read("quorum\u2003none\n")


def test_names_are_octets_whatever_they_mean_in_any_encoding() -> None:
    kelvin = "\N{KELVIN SIGN}"
    text = f"witness K {X1.vkey}\nwitness {kelvin} {X2.vkey}\nquorum {kelvin}\n"
    policy = read(text)
    assert [witness.name for witness in policy.witnesses] == ["K", kelvin]
    assert policy.is_met({X2})
    assert not policy.is_met({X1})
    raw = f"witness K {X1.vkey}\nquorum K\n".encode().replace(b" K", b" \xff\x80")
    assert parse_policy(raw).is_met({X1})
    decomposed = read(f"witness e\u0301 {X1.vkey}\nwitness \u00e9 {X2.vkey}\nquorum \u00e9\n")
    assert decomposed.is_met({X2})
    assert not decomposed.is_met({X1})


def test_the_last_line_ends_too_and_a_file_cut_short_is_refused() -> None:
    text = f"witness A {X1.vkey}\nwitness AB {X2.vkey}\nquorum AB\n"
    read(text)
    for end in range(len(text) - 1, 0, -1):
        with pytest.raises(MalformedError):
            read(text[:end])
    for cut in ("quorum none", f"{text}log", f"{text}# a comment"):
        with pytest.raises(
            MalformedError, match=r"^policy: last line does not end in a newline; i"
        ):
            read(cut)


def test_octets_are_tab_newline_and_from_0x20_but_not_0x7f() -> None:
    for octet in range(256):
        raw = b"# " + bytes([octet]) + b"\nquorum none\n"
        if octet in (0x09, 0x0A) or 0x20 <= octet <= 0x7E or octet >= 0x80:
            assert parse_policy(raw) == Policy()
        else:
            with pytest.raises(MalformedError, match=r"^policy, line 1: control character b'"):
                parse_policy(raw)
    with pytest.raises(MalformedError, match=r"line 1: control character b'\\r'"):
        read("quorum none\r\n")


A, B, C = (f"witness {name} {key.vkey}\n" for name, key in (("A", X1), ("B", X2), ("C", X3)))
NO_POINT = Cosigner(name="bad.example", key_type=4, public_key=b"\x02" + bytes(31))
WRONG = {
    "": r"^policy has no quorum line, want one; `quorum none` asks for none$",
    A: r"^policy has no quorum line",
    "quorum none\nquorum none\n": r"^policy, line 2: second quorum line, want one$",
    f"{A}quorum A\nquorum none\n": r"line 3: second quorum line",
    "quorum A\n": r"^policy, line 1: quorum is 'A', which no line above defines$",
    f"quorum A\n{A}": r"line 1: quorum is 'A'",
    "quorum\n": r"line 1: quorum line has 0 items, want one name$",
    "QUORUM none\n": r"line 1: begins with 'QUORUM', want log, witness, group or quorum$",
    "quorum None\n": r"line 1: quorum is 'None'",
    "origin log.example\nquorum none\n": r"line 1: begins with 'origin'",
    "log\nquorum none\n": r"line 1: log line has 0 items, want vkey and maybe URL$",
    f"log {LOG.vkey} u v\nquorum none\n": r"line 1: log line has 3 items",
    f"log log.example {LOG.vkey}\nquorum none\n": r"line 1: vkey 'log.example' is not name\+id\+k",
    f"log {X1.vkey}\nquorum none\n": r"key type 0x04, which is a witness's, want a log's: 01 or",
    f"log {LOG.vkey}\nlog {LOG.vkey}\nquorum none\n": r"line 2: log 'log.example' has the key of",
    f"log {LOG.vkey}\nlog {replace(LOG, name='other').vkey}\nquorum none\n": (
        r"^policy, line 2: log 'other' has the key of log 'log.example'$"
    ),
    f"log {Verifier(name='n', public_key=NO_POINT.public_key).vkey}\nquorum none\n": (
        r"line 1: Ed25519 public key 02(00)+ is not a point of the curve$"
    ),
    "witness A\nquorum none\n": r"line 1: witness line has 1 items, want name, vkey and maybe URL$",
    f"witness A {X1.vkey} u v\nquorum none\n": r"line 1: witness line has 4 items",
    f"witness A {LOG.vkey}\nquorum none\n": r"line 1: vkey .* has key type 0x01, want 04 \(Ed25",
    f"witness none {X1.vkey}\nquorum none\n": r"line 1: name 'none' is defined already$",
    f"{A}witness A {X2.vkey}\nquorum none\n": r"line 2: name 'A' is defined already$",
    f"{A}{B}group A any B\nquorum none\n": r"line 3: name 'A' is defined already$",
    f"{A}{B}group G any B\nwitness G {X3.vkey}\nquorum G\n": r"line 4: name 'G' is defined alr",
    f"{A}group none any A\nquorum none\n": r"line 2: name 'none' is defined already$",
    f"{A}witness B {X1.vkey}\nquorum none\n": r"line 2: witness 'B' has the key of 'A'$",
    f"{A}witness B {replace(X1, name='b').vkey}\nquorum none\n": r"line 2: witness 'B' has the key",
    f"witness A {NO_POINT.vkey}\nquorum none\n": r"line 1: Ed25519 public key 02(00)+ is not a p",
    f"{A}group G any\nquorum none\n": r"line 2: group line has 2 items, want name, threshold and",
    f"{A}group G A\nquorum none\n": r"line 2: group line has 2 items",
    f"{A}group G any B\n{B}quorum G\n": r"line 2: group 'G' has member 'B', which no line above d",
    f"{A}group G any G\nquorum none\n": r"line 2: group 'G' has member 'G', which no line above",
    f"{A}group G any A none\nquorum G\n": r"line 2: group 'G' has member 'none', which no line",
    f"{A}group G any A A\nquorum G\n": r"line 2: 'A' is a member of 'G' already$",
    f"{A}{B}group G any A\ngroup H any A B\nquorum H\n": r"line 4: 'A' is a member of 'G' already$",
    f"{A}group G any A\ngroup H any G\ngroup I any G\nquorum H\n": r"line 4: 'G' is a member of 'H",
    **{
        f"{A}{B}group G {k} A B\nquorum G\n": r"line 3: group 'G'"
        for k in ("0", "3", "-1", "+1", "01", "1_0", "1.0", "\u0661", "Any", "ALL", "9" * 30)
    },
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_breach_of_any_rule_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(MalformedError, match=WRONG[text]):
        read(text)


def test_a_threshold_goes_from_1_to_the_number_of_members() -> None:
    for k in (1, 2, 3):
        policy = read(f"{A}{B}{C}group G {k} A B C\nquorum G\n")
        for count in range(4):
            for signed in combinations((X1, X2, X3), count):
                assert policy.is_met(signed) == (count >= k)
    assert read(f"{A}{B}group G any A B\nquorum G\n") == read(f"{A}{B}group G 1 A B\nquorum G\n")
    assert read(f"{A}{B}group G all A B\nquorum G\n") == read(f"{A}{B}group G 2 A B\nquorum G\n")


def test_a_witness_with_two_keys_counts_once() -> None:
    both = f"witness A {X1.vkey}\nwitness A-pq {X1_PQ.vkey}\nwitness B {X2.vkey}\n"
    two = read(f"{both}group G 2 A A-pq B\nquorum G\n")
    assert not two.is_met({X1, X1_PQ})
    assert two.is_met({X1, X2})
    assert two.is_met({X1_PQ, X2})
    assert two.is_met({X1, X1_PQ, X2})
    either = read(f"{both}group a any A A-pq\ngroup G all a B\nquorum G\n")
    assert either.is_met({X1_PQ, X2})
    assert not either.is_met({X1, X1_PQ})
    # `all` is everybody, with every key.
    every = read(f"{both}group G all A A-pq B\nquorum G\n")
    for count in range(4):
        for signed in combinations((X1, X1_PQ, X2), count):
            assert every.is_met(signed) == (count == 3)


def test_a_threshold_above_the_number_of_witnesses_can_still_be_met() -> None:
    text = f"witness A {X1.vkey}\nwitness A-pq {X1_PQ.vkey}\nwitness B {X2.vkey}\n"
    policy = read(f"{text}witness B-pq {X2_PQ.vkey}\ngroup G 3 A A-pq B B-pq\nquorum G\n")
    assert not policy.is_met({X1, X1_PQ})
    assert not policy.is_met({X1, X2})
    assert policy.is_met({X1, X1_PQ, X2})


def test_keys_of_one_witness_stand_in_one_group() -> None:
    text = f"witness A {X1.vkey}\nwitness A-pq {X1_PQ.vkey}\nwitness B {X2.vkey}\n"
    text += "group one any A\ngroup two any A-pq B\ngroup G all one two\nquorum G\n"
    message = r"line 5: witness 'x1.example' has keys in groups 'one' and 'two', want one group, so"
    with pytest.raises(MalformedError, match=message):
        read(text)


def test_32_of_each_are_accepted_and_deep_nesting_too() -> None:
    names = [f"w{number}" for number in range(32)]
    lines = [
        f"log {Verifier(name='l', public_key=keys.SigningKey(bytes([n]) * 32).public_key).vkey}\n"
        for n in range(32)
    ]
    lines += [f"witness {name} {ed25519(name).vkey}\n" for name in names]
    lines += ["group g0 all w0\n"]
    lines += [f"group g{n} all g{n - 1} w{n}\n" for n in range(1, 32)]
    policy = read("".join([*lines, "quorum g31\n"]))
    signed = [ed25519(name) for name in names]
    assert policy.is_met(signed)
    for missing in range(32):
        assert not policy.is_met(signed[:missing] + signed[missing + 1 :])
    deep = "".join(f"group h{n} all {f'h{n - 1}' if n else 'A'}\n" for n in range(MAX_LINES - 2))
    assert read(f"{A}{deep}quorum h{MAX_LINES - 3}\n").is_met({X1})


def test_the_size_is_looked_at_first() -> None:
    with pytest.raises(TooLargeError, match=r"^policy has 1000001 bytes, want at most 1000000$"):
        parse_policy(b"\0" * (MAX_POLICY_BYTES + 1))
    with pytest.raises(TooLargeError, match=r"^policy has 10001 lines, want at most 10000$"):
        parse_policy(b"\n" * (MAX_LINES + 1))


def test_two_keys_with_one_name_and_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(X2, name=X1.name)
    monkeypatch.setattr(Vkey, "key_id", b"same")
    for text in (
        f"witness A {X1.vkey}\nwitness B {other.vkey}\nquorum none\n",
        f"log {LOG.vkey}\nlog {LOG_PQ.vkey}\nquorum none\n",
    ):
        with pytest.raises(MalformedError, match=r"line 2: two keys of '.*' have the same key id$"):
            read(text)


def test_a_log_key_is_of_type_01_or_06() -> None:
    assert parse_log_key(LOG.vkey) == LOG
    assert parse_log_key(LOG_PQ.vkey) == LOG_PQ
    for key_type in (0, 2, 3, 5, 255):
        with pytest.raises(MalformedError, match=rf"key type 0x{key_type:02x}, want 01"):
            parse_log_key(str(Vkey("n", key_type, LOG.public_key)))


WORDS = ["log", "witness", "group", "quorum", "none", "any", "all", "1", "2", "A", "B", "G", "#"]
WORDS += [X1.vkey, X2.vkey, LOG.vkey, "\t", "\n", "\n", "\r", "\xff", "quorum none\n"]


@given(st.lists(st.sampled_from(WORDS)).map(" ".join) | st.text())
def test_any_bytes_are_a_policy_or_malformed(text: str) -> None:
    try:
        policy = parse_policy(text.encode("utf-8", "replace"))
    except TranslogError as error:
        assert isinstance(error, MalformedError)
    else:
        assert policy.is_met([witness.key for witness in policy.witnesses])


@given(st.data())
def test_more_cosignatures_never_unmake_a_quorum(data: st.DataObject) -> None:
    everybody = [X1, X1_PQ, X2, X2_PQ, X3, Y1]
    lines = [f"witness w{n} {key.vkey}\n" for n, key in enumerate(everybody)]
    free = [["w0", "w1"], ["w2", "w3"], ["w4"], ["w5"]]
    groups = 0
    while len(free) > 1:
        picked = data.draw(st.sets(st.sampled_from(range(len(free))), min_size=1))
        members = [name for at in sorted(picked) for name in free[at]]
        k = data.draw(st.integers(1, len(members)))
        lines.append(f"group g{groups} {k} {' '.join(members)}\n")
        free = [names for at, names in enumerate(free) if at not in picked] + [[f"g{groups}"]]
        groups += 1
        if groups > 6:
            break
    policy = read("".join([*lines, f"quorum {free[-1][-1]}\n"]))
    signed: list[Cosigner] = []
    before = policy.is_met(signed)
    for key in data.draw(st.permutations(everybody)):
        signed.append(key)
        after = policy.is_met(signed)
        assert after or not before
        before = after
    assert before, "everybody together is always a quorum"
