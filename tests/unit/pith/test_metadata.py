"""Metadata in JSON and in arXiv's XML make the records they should, or are refused."""

import json
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.pith.sample import REAL, RECORD
from translog.errors import HashError, MalformedError, TooLargeError
from translog.pith import arxiv
from translog.pith.arxiv import read_xml
from translog.pith.metadata import MAX_METADATA_BYTES, Work, read_json
from translog.pith.record import aliases, canonical_text, pith_number

REAL_TITLE = "LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens"
REAL_METADATA: dict[str, Any] = {
    "source": {"kind": "arxiv", "id": "2402.13753", "version": 1},
    "title": REAL_TITLE,
    "abstract_canon_sha256": RECORD["metadata"]["abstract_canon_sha256"],
    "submitted_at": "2024-02-21T12:30:33Z",
    "primary_cat": "cs.CL",
    "license": "http://creativecommons.org/licenses/by-nc-nd/4.0/",
}


def read(value: Any) -> Work:
    return read_json(json.dumps(value).encode())


# ---- JSON ----


def test_the_real_metadata_make_the_real_record() -> None:
    work = read(REAL_METADATA)
    assert work.record == RECORD
    assert pith_number(work.record) == REAL["pith_number"]
    assert (work.title, work.abstract, work.graph_snapshot) == (REAL_TITLE, None, None)
    spread = {
        **REAL_METADATA,
        "title": f"\n {REAL_TITLE.replace(' ', '  ')}",
        "cross_cats": ["cs.CL"],
    }
    assert read(spread) == work


def test_a_hash_may_stand_beside_its_text_and_has_to_be_its_hash() -> None:
    both = {
        **REAL_METADATA,
        "title_canon_sha256": RECORD["metadata"]["title_canon_sha256"],
    }
    assert read(both).record == RECORD
    with pytest.raises(HashError, match=r"title_canon_sha256 is '0000.* computed 46e4af97"):
        read({**both, "title_canon_sha256": "0" * 64})


@pytest.mark.parametrize("name", ["source", "submitted_at", "primary_cat"])
def test_what_a_record_needs_is_needed(name: str) -> None:
    with pytest.raises(MalformedError, match=f"^work lacks {name}$"):
        read({key: value for key, value in REAL_METADATA.items() if key != name})


@pytest.mark.parametrize(
    "change",
    [
        {"title": ""},
        {"title": " \n"},
        {"title": "x" * 1001},
        {"title": 7},
        {"title": None},
        {"abstract": "x" * 100_001},
        {"abstract_canon_sha256": "0" * 63},
        {"titel": "misspelt"},
        {"source": {"kind": "arxiv", "id": "2402.13753"}},
        {"source": {"kind": "arxiv", "id": "2402.13753", "version": 0}},
        {"source": {"kind": "arxiv", "id": "2402.13753", "version": True}},
        {"source": None},
        {"submitted_at": "2024-02-21"},
        {"submitted_at": "2024-02-30T00:00:00Z"},
        {"primary_cat": ""},
        {"cross_cats": "cs.LG"},
        {"cross_cats": [1]},
        {"cross_cats": None},
        {"license": 1},
        {"graph_snapshot": []},
    ],
)
def test_what_makes_no_record_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        read({**REAL_METADATA, **change})


def test_only_strict_json_of_some_size_is_read() -> None:
    for raw in (b"", b"[]", b"{", b"null", b'{"a":1,"a":2}', b"\xff"):
        with pytest.raises(MalformedError):
            read_json(raw)
    with pytest.raises(TooLargeError):
        read_json(b" " * (MAX_METADATA_BYTES + 1))
    lacks_both = {key: value for key, value in REAL_METADATA.items() if key != "title"}
    with pytest.raises(MalformedError, match="lack title and title_canon_sha256"):
        read(lacks_both)


def test_versions_are_records_of_their_own_under_one_name() -> None:
    works = [
        read({**REAL_METADATA, "source": {**REAL_METADATA["source"], "version": version}})
        for version in (1, 2)
    ]
    numbers = {pith_number(work.record) for work in works}
    assert len(numbers) == 2
    names = [
        {each["alias_kind"]: each["alias_value"] for each in aliases(work.record, "")}
        for work in works
    ]
    assert [each["arxiv"] for each in names] == ["2402.13753"] * 2
    assert [each["arxiv_version"] for each in names] == ["2402.13753v1", "2402.13753v2"]


# ---- XML ----

ATOM = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title type="html">ArXiv Query: search_query=&amp;id_list=2402.13753v1</title>
  <id>http://arxiv.org/api/xyz</id>
  <updated>2026-06-01T00:00:00-04:00</updated>
  <entry>
    <id>http://arxiv.org/abs/2402.13753v1</id>
    <updated>2024-02-21T12:30:33Z</updated>
    <published>2024-02-21T12:30:33Z</published>
    <title>LongRoPE: Extending LLM Context Window Beyond 2 Million
  Tokens</title>
    <summary>  Large context window &amp; more.
</summary>
    <author><name>Yiran Ding</name></author>
    <arxiv:primary_category xmlns:arxiv="http://arxiv.org/schemas/atom" term="cs.CL"/>
    <category term="cs.CL" scheme="http://arxiv.org/schemas/atom"/>
    <category term="stat.ML" scheme="http://arxiv.org/schemas/atom"/>
    <category term="cs.LG" scheme="http://arxiv.org/schemas/atom"/>
  </entry>
</feed>
"""
RAW = """<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">
 <ListRecords>
  <record>
   <header><identifier>oai:arXiv.org:2402.13753</identifier></header>
   <metadata>
    <arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/">
     <id>2402.13753</id><submitter>Yiran Ding</submitter>
     <version version="v1"><date>Wed, 21 Feb 2024 12:30:33 GMT</date><size>4kb</size></version>
     <title>LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens</title>
     <authors>Yiran Ding</authors>
     <categories>cs.CL</categories>
     <license>http://creativecommons.org/licenses/by-nc-nd/4.0/</license>
     <abstract>  Large context window &amp; more.
</abstract>
    </arXivRaw>
   </metadata>
  </record>
  <record>
   <metadata>
    <arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/">
     <id>0704.0001</id>
     <version version="v1"><date>Mon, 2 Apr 2007 19:18:42 GMT</date></version>
     <version version="v2"><date>Tue, 24 Jul 2007 20:10:27 GMT</date></version>
     <title>Calculation of prompt diphoton production</title>
     <categories>hep-ph math.CO hep-ex</categories>
     <abstract>A fully differential calculation.</abstract>
    </arXivRaw>
   </metadata>
  </record>
 </ListRecords>
</OAI-PMH>
"""


def works(document: str | bytes, size: int = 1 << 16) -> list[Any]:
    raw = document if isinstance(document, bytes) else document.encode()
    return list(read_xml(pieces(raw, size)))


def pieces(raw: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


def test_atom_makes_a_record_without_a_license() -> None:
    (work,) = works(ATOM)
    assert work.record["source"] == RECORD["source"]
    metadata = work.record["metadata"]
    assert metadata["title_canon_sha256"] == RECORD["metadata"]["title_canon_sha256"]
    assert metadata["submitted_at"] == "2024-02-21T12:30:33Z"
    assert metadata["cross_cats_sorted"] == ["cs.LG", "stat.ML"]
    assert metadata["license"] is None
    assert (work.title, work.abstract) == (REAL_TITLE, "Large context window & more.")


def test_arxiv_raw_makes_records_of_the_newest_versions() -> None:
    first, second = works(RAW)
    hashed = sha256(canonical_text(str(first.abstract)).encode()).hexdigest()
    wanted = {**RECORD["metadata"], "abstract_canon_sha256": hashed}
    assert first.record == {**RECORD, "metadata": wanted}
    assert second.record["source"] == {"kind": "arxiv", "id": "0704.0001", "version": 2}
    assert second.record["metadata"]["submitted_at"] == "2007-07-24T20:10:27Z"
    assert second.record["metadata"]["primary_cat"] == "hep-ph"
    assert second.record["metadata"]["cross_cats_sorted"] == ["hep-ex", "math.CO"]
    assert second.record["metadata"]["license"] is None


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_it_does_not_matter_in_which_pieces_a_document_comes(size: int) -> None:
    assert works(RAW, size) == works(RAW)
    assert works(ATOM, size) == works(ATOM)


@pytest.mark.parametrize("document", [RAW, ATOM])
def test_a_parser_that_tells_of_all_at_the_end_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, document: str
) -> None:
    """Newer versions of expat put off what may be cut in two, at times until the end."""

    class Late(DefusedXMLParser):  # type: ignore[misc]
        kept: list[bytes]

        def feed(self, data: bytes) -> None:
            self.kept = [*getattr(self, "kept", []), data]

        def close(self) -> None:
            super().feed(b"".join(self.kept))
            super().close()

    wanted = works(document)
    monkeypatch.setattr(arxiv, "DefusedXMLParser", Late)
    assert works(document, 100) == wanted


BOMB = '<!DOCTYPE z [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "document",
    [
        f'<?xml version="1.0"?>{BOMB}<feed>&b;</feed>',
        '<!DOCTYPE f SYSTEM "file:///etc/passwd"><feed/>',
        '<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feed>&x;</feed>',
        '<!DOCTYPE f [<!ENTITY % p SYSTEM "http://127.0.0.1/">%p;]><feed/>',
        "<!DOCTYPE feed><feed/>",
    ],
)
def test_a_document_in_which_something_is_declared_is_refused(document: str) -> None:
    with pytest.raises(MalformedError, match="has a document type"):
        works(document)


@pytest.mark.parametrize("encoding", ["nonesuch", "utf-7", "big5", "base64", "utf-32", "idna"])
def test_an_encoding_that_the_parser_does_not_read_is_refused(encoding: str) -> None:
    with pytest.raises(MalformedError, match="xml: its encoding is not read here: "):
        works(f'<?xml version="1.0" encoding="{encoding}"?><feed/>')


@pytest.mark.parametrize(
    "document", ["", "<feed", "<feed/>", "<a></b>", "\x00", "plain", "<feed>&undeclared;</feed>"]
)
def test_what_is_no_document_or_holds_no_work_is_refused(document: str) -> None:
    with pytest.raises(MalformedError, match="xml: "):
        works(document)


def test_a_work_is_bounded_however_it_is_large() -> None:
    open_entry = ATOM.partition("<title>")[0]
    head = open_entry[: open_entry.index("<entry>") + len("<entry>")]
    huge = b"x" * (arxiv.MAX_WORK_BYTES * 2)
    for before, after in [
        (f"{head}<title>", "</title></entry></feed>"),
        (f'{head}<category term="', '"/></entry></feed>'),
        (f"{head}<!--", "--></entry></feed>"),
        ("<feed><", "/></feed>"),
    ]:
        with pytest.raises(TooLargeError, match="a work has more than"):
            works(before.encode() + huge + after.encode())
    deep = "<a>" * (arxiv.MAX_WORK_BYTES // 2)
    with pytest.raises(TooLargeError):
        works(f"{head}{deep}")


def test_many_works_are_read_though_together_they_are_large() -> None:
    entry = ATOM[ATOM.index("<entry>") : ATOM.index("</entry>") + len("</entry>")]
    entry = entry.replace("& more", "x" * 1000).replace("&amp; more", "x" * 10_000)
    head, _, tail = ATOM.partition(ATOM[ATOM.index("<entry>") : ATOM.index("</feed>")])
    found = works(head + entry * 300 + tail)
    assert len(found) == 300 and all(isinstance(each, Work) for each in found)


@pytest.mark.parametrize(
    ("document", "old", "new", "said"),
    [
        (ATOM, "abs/2402.13753v1", "abs/2402.13753", "with a version"),
        (ATOM, "abs/2402.13753v1", "abs/2402.13753v0", "with a version"),
        (ATOM, "abs/2402.13753v1", "abs/2402.13753v1.", "with a version"),
        (ATOM, "http://arxiv.org/abs", "http://example.org/abs", "entry id is"),
        (ATOM, "2024-02-21T12:30:33Z</updated>", "yesterday</updated>", "submitted_at"),
        (ATOM, 'term="cs.CL"/>', "/>", "primary_cat"),
        (RAW, "Wed, 21 Feb", "Thu, 21 Feb", "another day of the week"),
        (RAW, "Wed, 21 Feb", "Fri, 31 Feb", "there is none such"),
        (RAW, "12:30:33 GMT", "12:30:33 +0000", "want one like Mon, 2 Apr 2007"),
        (RAW, 'version="v1"', 'version="1"', "version is '1'"),
        (RAW, 'version="v1"', 'version="xv1"', "version is 'xv1'"),
        (RAW, "<categories>cs.CL</categories>", "", "primary_cat"),
        (RAW, "<title>", "<titel>", "xml: mismatched tag"),
    ],
)
def test_a_work_that_makes_no_record_is_named_and_the_others_are_read(
    document: str, old: str, new: str, said: str
) -> None:
    changed = document.replace(old, new, 1)
    assert changed != document
    if "xml" in said:
        with pytest.raises(MalformedError, match=said):
            works(changed)
        return
    first, *others = works(changed)
    assert isinstance(first, MalformedError) and said in str(first)
    assert all(isinstance(each, Work) for each in others)


def test_elements_inside_others_are_not_those_of_the_work() -> None:
    """A title inside an author is not the work's, wherever it stands."""
    inside = ATOM.replace("<author>", "<author><title>Another</title>")
    before = ATOM.replace("<updated>2024", "<source><title>Another</title></source><updated>2024")
    assert works(inside) == works(before) == works(ATOM)


def test_the_first_of_two_elements_counts() -> None:
    assert works(ATOM.replace("</summary>", "</summary><title>Another</title>")) == works(ATOM)


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(raw: bytes) -> None:
    for document in (raw, ATOM.encode()[:400] + raw, RAW.encode()[:700] + raw):
        with suppress(MalformedError):
            works(document)
    with suppress(MalformedError, HashError):
        read_json(raw)
