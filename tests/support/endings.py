"""How a run of the command line may end: with a verdict, or with one clear sentence; never with a page of traceback."""

import re
from typing import Any

from support.command import Done

__all__ = ["ASSESS", "AS_OF", "judged", "refused", "unassessed", "unknown"]

AS_OF = "2026-11-20"
"""A day on which Debian 12 has long-term support, and the small world's Critical notice is 203 days old: an E."""
ASSESS = ("assess", "--json", "--as-of", AS_OF)
_CODE_OF = {"accept": 0, "reject": 1, "undetermined": 3}


def refused(done: Done, code: int, *words: str) -> str:
    """Assert that a run ended with this exit code and one sentence that holds these words; return the sentence."""
    assert done.code == code, done
    assert done.out == ""
    *progress, sentence = done.err.splitlines() or [""]
    assert all(re.fullmatch(r" *\d+ s  .*", line) for line in progress), done.err
    assert sentence.startswith("affineur: "), sentence
    assert "Traceback" not in sentence
    for word in words:
        assert word in sentence, sentence
    return sentence


def judged(done: Done) -> dict[str, Any]:
    """Assert that a run of `assess --json` ended with a verdict that is its exit code; return the document."""
    assert done.code in _CODE_OF.values(), done
    assert "Traceback" not in done.err
    document = done.document
    assert done.code == _CODE_OF[document["verdict"]["decision"]]
    return document


def unknown(done: Done, *because: str) -> dict[str, Any]:
    """Assert that no letter was given and nothing accepted, and that each pattern is found among the reasons why."""
    document = judged(done)
    grade = document["grade"]
    assert grade["letter"] is None, grade
    assert document["verdict"]["decision"] != "accept"
    reasons = "\n".join(grade["reasons"])
    for pattern in because:
        assert re.search(pattern, reasons), reasons
    return document


def unassessed(document: dict[str, Any]) -> str:
    """Everything that the document says could not be told, a line each."""
    return "\n".join(f"{item['what']}: {item['why']}" for item in document["unassessed"])
