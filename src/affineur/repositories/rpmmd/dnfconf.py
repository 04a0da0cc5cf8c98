"""The INI files of dnf, yum and zypper: sections of options, each with the line where it stands.

dnf.conf(5) does not write its format down; the rules are what libdnf's ConfigParser takes and refuses. yum 3 takes
more: `option: value`, and lines that go on after a comment; zypper lets lists of URLs go on, wherever they begin.
"""

import msgspec

__all__ = ["MalformedConfiguration", "Option", "Sections", "boolean", "read_sections", "words"]

MAX_OPTIONS = 100_000  # of one file; the largest real ones (a satellite's) have some thousands
_LISTS = ("baseurl", "gpgkey", "mirrorlist")  # of zypper
_BLANKS = " \t\v\f\r"


class MalformedConfiguration(ValueError):
    """The manager would not take this file; carries the line's number."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


class Option(msgspec.Struct, frozen=True):
    """A value, its lines joined by newlines, and the line where it begins."""

    value: str
    line: int


class Section(msgspec.Struct):
    """The options of one section; one that is named twice goes on."""

    line: int
    options: dict[str, Option] = {}


Sections = dict[str, Section]


def read_sections(text: str, rules: str = "dnf") -> Sections:
    """Read a whole file.

    Args:
        rules: as `dnf`, `tdnf`, `yum` (3) or `zypper` reads it.

    Raises:
        MalformedConfiguration: at the first line that is none of section, option, continuation and comment.
    """
    reader = _Reader(rules)
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        reader.line(line, number)
        if number > MAX_OPTIONS:
            raise MalformedConfiguration(number, f"more than {MAX_OPTIONS} lines")
    reader.finish()
    return reader.sections


class _Reader:
    def __init__(self, rules: str) -> None:
        self.sections: Sections = {}
        self._rules, self._lenient = rules, rules in ("yum", "zypper")
        self._section: Section | None = None
        self._key = ""
        self._parts: list[str] = []
        self._began = 0

    def line(self, line: str, number: int) -> None:
        bare = line.strip(_BLANKS)
        if line[:1] in ("", "#", ";") or not bare:
            if line and line[0] in _BLANKS and self._key and not self._lenient:
                self._parts.append("")  # a blank that is more than nothing goes on, for libdnf
            elif not self._lenient:
                self.finish()
        elif self._rules == "zypper" and bare[0] != "[" and (not _is_option(bare) or not self._section):
            if self._key not in _LISTS:
                raise MalformedConfiguration(number, "neither a section nor an option")
            self._parts.append(bare)
        elif line[0] in _BLANKS and bare[0] != "[" and self._rules != "zypper":
            if not self._key:
                raise MalformedConfiguration(number, "it continues nothing")
            self._parts.append(bare)
        elif bare[0] == "[":
            self.finish()
            self._begin(bare, number)
        elif self._lenient and line.lower().startswith("rem "):
            pass
        else:
            self.finish()
            self._option(line, number)

    def finish(self) -> None:
        """End the option that was being read."""
        if self._key and self._section is not None:
            self._section.options[self._key] = Option(_unquoted("\n".join(self._parts).strip()), self._began)
        self._key = ""
        self._parts = []

    def _begin(self, bare: str, number: int) -> None:
        name, closed, after = bare[1:].partition("]")
        if not closed:
            raise MalformedConfiguration(number, "a section's name without its ]")
        after = after.strip(_BLANKS)
        if len(after) > 1 and after[0] not in "#;" and not self._lenient:  # libdnf overlooks one character
            raise MalformedConfiguration(number, "text after a section's name")
        if not name:
            raise MalformedConfiguration(number, "a section without a name")
        self._section = self.sections.setdefault(name, Section(number))

    def _option(self, line: str, number: int) -> None:
        if self._section is None:
            raise MalformedConfiguration(number, "an option before any section")
        separators = "=:" if self._rules == "yum" else "="
        at = min((found for found in map(line.find, separators) if found >= 0), default=-1)
        if at < 0:
            raise MalformedConfiguration(number, "neither a section nor an option: there is no =")
        key = line[:at].strip(" \t")
        if not key:
            raise MalformedConfiguration(number, "an option without a name")
        self._key, self._parts, self._began = key, [line[at + 1 :].strip(_BLANKS)], number


def _is_option(line: str) -> bool:
    """For zypper: a URL with a = in it is none."""
    key, found, _ = line.partition("=")
    return bool(found) and not any(character in key for character in ":/?|,\\")


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def boolean(text: str) -> bool | None:
    """A yes or no in any of its spellings; None for what is neither."""
    word = text.strip().lower()
    if word in ("1", "yes", "true", "on", "y", "t", "always", "enabled"):
        return True
    return False if word in ("0", "no", "false", "off", "n", "f", "never", "disabled", "-") else None


def words(text: str) -> tuple[str, ...]:
    """A list: its members are parted by blanks, commas and lines."""
    return tuple(text.replace(",", " ").split())
