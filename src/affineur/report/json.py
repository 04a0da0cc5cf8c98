"""JSON: the whole of what was found out, for programs.

Times are RFC 3339 in UTC with a Z, sizes bytes, digests `algorithm:hex`; what an image says of itself stays verbatim.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, get_args, get_type_hints

import msgspec

from affineur.assessment.model import Assessment
from affineur.report.documents import DOCUMENTS, assessed
from affineur.report.escape import json_text

__all__ = ["documents", "encoded", "render", "schema"]


def render(assessment: Assessment) -> str:
    """Return the document `affineur.assessment/1`, indented, with a line feed at its end."""
    return encoded(assessed(assessment))


def encoded(document: msgspec.Struct | Mapping[str, Any]) -> str:
    """Return any of our documents as JSON text, indented by two spaces, with a line feed at its end.

    Characters that a terminal would act on are escaped as JSON allows, so the value is the same.
    """
    plain = _plain(msgspec.to_builtins(document, builtin_types=(datetime, date)))
    return json_text(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()) + "\n"


def documents() -> Mapping[str, type[msgspec.Struct]]:
    """Return every document that has a schema, by name: those of images, and those of what was done with them."""
    from affineur.report import copied, pull  # which are made of the others

    return {**DOCUMENTS, copied.SCHEMA: copied.CopyDocument, pull.SCHEMA: pull.PullDocument}


def schema(name: str = "affineur.assessment/1") -> str:
    """Return the JSON Schema (draft 2020-12) of one of `documents`, as docs/reference keeps it.

    Members may be added within a major version, so unknown ones are allowed.

    Raises:
        KeyError: there is no document of this name.
    """
    kind = documents()[name]
    made = msgspec.json.schema(kind)
    for structure in _structures(kind):
        _say_formats(structure, made["$defs"][structure.__name__]["properties"])
    for described in made["$defs"].values():
        described.pop("description", None)  # a docstring speaks to programmers of this project
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, **made}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _structures(found: Any) -> set[type[msgspec.Struct]]:
    """Return every struct that a type mentions, itself included."""
    if isinstance(found, type) and issubclass(found, msgspec.Struct):
        inner = [hint for hint in get_type_hints(found).values() if hint is not found]
        return {found}.union(*map(_structures, inner))
    return set().union(*map(_structures, get_args(found)))


def _say_formats(structure: type[msgspec.Struct], properties: dict[str, Any]) -> None:
    """Add what msgspec leaves out, since a plain `datetime` may lack a zone for it: ours never do."""
    hints = get_type_hints(structure)
    for field in msgspec.structs.fields(structure):
        if datetime in (hints[field.name], *get_args(hints[field.name])):
            shape = properties[field.encode_name]
            for choice in shape.get("anyOf", [shape]):
                if choice["type"] == "string":
                    choice["format"] = "date-time"


def _plain(value: Any) -> Any:
    """What most values are is asked first: a list of packages has tens of thousands of them."""
    if isinstance(value, str):  # a lone surrogate stands for a byte that was no UTF-8: JSON text cannot hold it
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if value is None:
        return None
    if isinstance(value, dict):
        return {
            _plain(key): item if type(item) is str and item.isascii() else _plain(item) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value
