"""modules.yaml: which packages belong to which module stream, and which streams are the default.

Source: fedora-modularity/libmodulemd, yaml_specs/ (modulemd-stream v1 and v2, modulemd-defaults v1). Of each document
only name, stream, version, context, architecture, requirements and artifacts are read; packagers' documents, obsoletes
and translations are passed over.
"""

from typing import Any

import msgspec

from affineur.errors import LimitExceeded, MalformedDocument

__all__ = ["MAX_BYTES", "MAX_DOCUMENTS", "MAX_EVENTS", "Default", "ModuleStream", "Modules", "read_modules"]

MAX_BYTES = 64 << 20  # CentOS 8's AppStream has 0.6 MB, a whole history some 10 MB
MAX_DOCUMENTS = 20_000
MAX_EVENTS = 5_000_000  # of the YAML parser: each scalar, and each beginning and end of a collection
MAX_DEPTH = 32
MAX_TEXT = 1_024  # characters of a name, a stream or an artifact


class ModuleStream(msgspec.Struct, frozen=True):
    """One document `modulemd`: a build of a stream.

    Attributes:
        artifacts: `name-epoch:version-release.architecture`, the epoch always there.
        requires: (module, streams) by name; no streams: any; `-x`: any but x.
        static_context: the context tells builds apart, not what they require.
    """

    name: str
    stream: str
    version: int
    context: str
    architecture: str
    artifacts: frozenset[str]
    requires: tuple[tuple[str, tuple[str, ...]], ...] = ()
    static_context: bool = False


class Default(msgspec.Struct, frozen=True):
    """A document `modulemd-defaults`; without a stream it says that there is no default."""

    modified: int
    stream: str


class Modules(msgspec.Struct, frozen=True):
    """All of one repository.

    Attributes:
        defaults: module → its default stream; of several documents about one the last of those last modified.
    """

    streams: tuple[ModuleStream, ...] = ()
    defaults: dict[str, Default] = {}


def read_modules(content: bytes, where: str = "modules.yaml") -> Modules:
    """Read all documents.

    Raises:
        MalformedDocument: no YAML, with aliases, or a document that lacks what it must have.
        LimitExceeded: more of something than the limits above.
    """
    if len(content) > MAX_BYTES:
        raise LimitExceeded(f"{where}: more than {MAX_BYTES} bytes")
    streams: list[ModuleStream] = []
    defaults: dict[str, Default] = {}
    for document in _documents(content, where):
        kind, data = document.get("document"), document.get("data")
        if kind == "modulemd":
            streams.append(_stream(_mapping(data, where), where))
        elif kind == "modulemd-defaults":
            data = _mapping(data, where)
            stream = data.get("stream")
            found = Default(_number(data.get("modified", 0), where), "" if stream is None else _text(stream, where))
            name = _text(data.get("module"), where)
            if name not in defaults or defaults[name].modified <= found.modified:
                defaults[name] = found
    return Modules(tuple(streams), defaults)


def _stream(data: dict[str, Any], where: str) -> ModuleStream:
    artifacts = data.get("artifacts")
    rpms = artifacts.get("rpms") if isinstance(artifacts, dict) else None
    return ModuleStream(
        name=_text(data.get("name"), where),
        stream=_text(data.get("stream"), where),
        version=_number(data.get("version", 0), where),
        context=_text(data.get("context") or "", where, empty=True),
        architecture=_text(data.get("arch") or "", where, empty=True),
        artifacts=frozenset(_text(each, where) for each in (rpms if isinstance(rpms, list) else [])),
        requires=_requires(data.get("dependencies"), where),
        static_context=str(data.get("static_context", "")).lower() in ("true", "yes", "on"),
    )


def _requires(dependencies: Any, where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Version 2 has a list of mappings, of which a build has one; version 1 one mapping, and one stream of a module."""
    found = []
    for each in dependencies if isinstance(dependencies, list) else [dependencies]:
        requires = each.get("requires") if isinstance(each, dict) else None
        for name, streams in (requires if isinstance(requires, dict) else {}).items():
            listed = streams if isinstance(streams, list) else [streams] if streams else []
            found.append((name, tuple(sorted(_text(stream, where) for stream in listed))))
    return tuple(sorted(found))


def _documents(content: bytes, where: str) -> list[dict[str, Any]]:
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    documents: list[dict[str, Any]] = []
    try:
        for document in _composed(loader(content), where):
            if not isinstance(document, dict):
                raise MalformedDocument(f"{where}: a document is no mapping")
            documents.append(document)
            if len(documents) > MAX_DOCUMENTS:
                raise LimitExceeded(f"{where}: more than {MAX_DOCUMENTS} documents")
    except (yaml.YAMLError, ValueError) as error:
        raise MalformedDocument(f"{where}: {str(error)[:200]}") from error
    return documents


def _composed(loader: Any, where: str) -> list[Any]:
    """Build plain values from events, all scalars as text: no tags, no aliases, and no recursion."""
    import yaml

    documents: list[Any] = []
    open_: list[Any] = []
    keys: list[Any] = []
    count = 0

    def put(value: Any) -> None:
        if not open_:
            documents.append(value)
        elif isinstance(open_[-1], list):
            open_[-1].append(value)
        elif keys[-1] is None:
            if not isinstance(value, str):
                raise MalformedDocument(f"{where}: a key that is no text")
            keys[-1] = value
        else:
            open_[-1][keys[-1]] = value
            keys[-1] = None

    try:
        while loader.check_event():
            event = loader.get_event()
            count += 1
            if count > MAX_EVENTS or len(open_) > MAX_DEPTH:
                raise LimitExceeded(f"{where}: more than {MAX_EVENTS} values or {MAX_DEPTH} inside each other")
            if isinstance(event, yaml.ScalarEvent):
                put(event.value)
            elif isinstance(event, yaml.AliasEvent):
                raise MalformedDocument(f"{where}: YAML aliases are not read")
            elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                value: Any = [] if isinstance(event, yaml.SequenceStartEvent) else {}
                put(value)
                open_.append(value)
                keys.append(None)
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                open_.pop()
                keys.pop()
    finally:
        loader.dispose()
    return documents


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedDocument(f"{where}: a document without data")
    return value


def _text(value: Any, where: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise MalformedDocument(f"{where}: a text is missing")
    if len(value) > MAX_TEXT:
        raise LimitExceeded(f"{where}: a text of more than {MAX_TEXT} characters")
    return value


def _number(value: Any, where: str) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise MalformedDocument(f"{where}: {text[:40]!r} is no number")
    return int(text)
