"""A pull by an engine: exactly the digest that was assessed, checked when it has landed, and only then its tag.

The engine is never asked for a tag, so it does not matter where the tag points by now; and never for an index, since
with one the engine would choose the platform, by other rules than ours.
"""

from collections.abc import Iterator

import msgspec

from affineur.engines.engine import Access, Engine, EngineFailed, Landed, OtherContent, Shown, Wanted

__all__ = ["Pulled", "differences", "pull"]


class Pulled(msgspec.Struct, frozen=True):
    """What an engine has now.

    Attributes:
        engine, version, program: which, and what it says of itself.
        command: what was run.
        reference: the exact name under which it has it.
        tag: the name that it got; "" for none.
        id: the engine's own.
        checked: what was compared with what was assessed, and is the same.
    """

    engine: str
    version: str
    program: str
    command: tuple[str, ...]
    reference: str
    tag: str
    id: str
    digest: str
    platform: str
    checked: tuple[str, ...]


def pull(engine: Engine, wanted: Wanted, access: Access, shown: Shown) -> Pulled:
    """Have an engine fetch an image, look at what it has then, and tag it.

    Raises:
        EngineFailed: it did not end well, or has nothing afterwards; no tag was set.
        OtherContent: what it has is not what was assessed. No tag was set, and nothing is removed.
    """
    engine.pull(wanted, access, shown)
    landed = engine.landed(wanted.exact)
    if landed is None:
        raise EngineFailed(f"{engine.name} ended well, and has no {wanted.exact}; nothing was tagged")
    if found := list(differences(landed, wanted)):
        raise OtherContent(
            f"{engine.name} has something else under {wanted.exact} than what was assessed: {'; '.join(found)};"
            " it was not tagged, and nothing was removed: do not run it"
        )
    if wanted.tag:
        engine.tag(wanted, landed)
        tagged = engine.landed(wanted.tagged)
        if tagged is None or tagged.id != landed.id:
            other = "nothing" if tagged is None else tagged.id
            raise OtherContent(f"{engine.name}: {wanted.tagged} names {other}, not {landed.id}; do not run it")
    return Pulled(
        engine=engine.name,
        version=engine.version,
        program=str(engine.program),
        command=engine.pull_words(wanted, access),
        reference=wanted.exact,
        tag=wanted.tagged if wanted.tag else "",
        id=landed.id,
        digest=str(wanted.digest),
        platform=landed.platform or wanted.platform,
        checked=tuple(_checked(landed, wanted)),
    )


def differences(landed: Landed, wanted: Wanted) -> Iterator[str]:
    """How what landed differs from what was assessed, in words; what the engine does not say is not compared.

    The digest it must say.
    """
    if str(wanted.digest) not in landed.digests:
        yield f"its digest is {', '.join(sorted(landed.digests)) or 'not told'}, not {wanted.digest}"
    if landed.platform and wanted.platform and not _alike(landed.platform, wanted.platform):
        yield f"it is for {landed.platform}, not {wanted.platform}"
    if landed.diff_ids is not None and wanted.diff_ids is not None and landed.diff_ids != wanted.diff_ids:
        yield "its layers are others"


def _checked(landed: Landed, wanted: Wanted) -> Iterator[str]:
    yield "digest"
    if landed.platform and wanted.platform:
        yield "platform"
    if landed.diff_ids is not None and wanted.diff_ids is not None:
        yield "layers"


def _alike(one: str, other: str) -> bool:
    """Of variants only those that both name count: podman names none, and arm64 and arm64/v8 are the same."""
    return all(mine == theirs for mine, theirs in zip(one.split("/"), other.split("/"), strict=False))
