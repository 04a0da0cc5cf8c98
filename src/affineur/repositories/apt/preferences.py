"""Pins: apt_preferences(5) as apt reads them."""

import re

from affineur.repositories.apt.deb822 import stanzas
from affineur.repositories.apt.model import NEVER, PinRule

__all__ = ["MAX_PINS", "MalformedPreference", "pins"]

MAX_PINS = 2_000  # names and expressions of all files of an image

_HIGHEST = 32767


class MalformedPreference(ValueError):
    """apt would refuse this file, and with it everything; carries the line's number."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


def pins(text: str, path: str, warnings: list[str]) -> list[PinRule]:
    """The pins of one file, in order.

    Args:
        path: of the file, for messages.
        warnings: gets a line for each stanza that apt leaves out with a warning.

    Raises:
        MalformedPreference: at the first stanza that apt would not take.
    """
    found: list[PinRule] = []
    words = 0
    for stanza in stanzas(text):
        warnings += [f"{path}:{line}: no field name, so apt loses the field that follows" for line in stanza.unread]
        if not stanza.fields:
            raise MalformedPreference(stanza.line, "a line without a field name, to the end of the file")
        package = stanza.fields.get("package", "")
        if not package:
            raise MalformedPreference(stanza.line, "a record without Package")
        if "pin" not in stanza.fields:
            warnings.append(f"{path}:{stanza.line}: a record without Pin has no effect")
            continue
        kind, value = _kind_and_value(stanza.fields["pin"])
        general = package == "*"
        if kind not in ("release", "origin", "version") or (kind == "version" and general):
            warnings.append(f"{path}:{stanza.line}: a pin by {kind!r} is not understood here")
            continue
        priority = _priority(stanza.fields.get("pin-priority", ""), stanza.line, general=general)
        found.append(PinRule(tuple(package.split()), kind, value, priority, path, stanza.line))
        words += len(found[-1].packages)
        if words > MAX_PINS:
            raise MalformedPreference(stanza.line, f"more than {MAX_PINS} names")
    return found


def _kind_and_value(pin: str) -> tuple[str, str]:
    kind, _, value = pin.strip().partition(" ")
    return kind.lower(), value.strip()


def _priority(text: str, line: int, *, general: bool) -> int:
    if text == "never":
        if not general:
            raise MalformedPreference(line, "the priority never is for Package: * only")
        return NEVER
    number = re.match(r"\s*[+-]?\d{1,9}", text)
    priority = int(number[0]) if number else 0
    if priority == NEVER:
        priority += 1
    if not NEVER < priority <= _HIGHEST:
        raise MalformedPreference(line, f"priority {text!r} is out of range")
    if priority == 0:
        raise MalformedPreference(line, "no priority, or zero")
    return priority
