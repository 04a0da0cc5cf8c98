"""`affineur copy`: from one place to another, with all that belongs to it; judged first, if that is wanted."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affineur.cli.options import entitlement_option, moving
from affineur.cli.session import Session
from affineur.errors import ContentError, InvalidReference, SourceError

if TYPE_CHECKING:
    from affineur.assessment.model import Assessment
    from affineur.cli.moving import Events, ShownMove
    from affineur.move.attesting import Attestation
    from affineur.move.copy import Wish
    from affineur.move.receipt import Copied
    from affineur.oci.document import Document
    from affineur.source.source import Source

__all__ = ["copy"]

AHEAD = 4
"""Connections to each side that are made while the program is still being loaded."""
_OF_A_DIGEST = re.compile(r"sha256-([0-9a-f]{64})(?:\.[a-z]+)?")
_TAGGED = re.compile(r"[:@][^/]*$")


@click.command(
    epilog="""\b
Examples:
  affineur copy docker.io/library/debian:12 registry.example/mirror/debian:12
  affineur copy registry.example/team/app:1 oci:build/app:1
  affineur copy --to stable registry.example/team/app:1 registry.example/app:1
  affineur copy --policy strict.yaml registry.example/app:1 oci:approved:app
  affineur copy --all-tags registry.example/team/app mirror.example/team/app

\b
Exit codes: 0 done (with --policy: and accepted); 1 rejected, nothing was
written; 3 undetermined, nothing was written; or copied, but whether something
belongs to it could not be told; 4 a place did not answer, or refused; 5
something is not what was promised. With --all-tags the worst of all tags."""
)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--to", "tags", multiple=True, metavar="TAG", help="A further tag at the target; may be repeated.")
@click.option("--all-tags", is_flag=True, help="Every tag of SRC, a repository, to DST, another.")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH",
    help="Of an index, this one's manifest alone; given several times, the index with these.  [default: everything]",
)
@click.option("--no-referrers", is_flag=True, help="Leave behind what speaks of the image: signatures, SBOMs …")
@click.option("--no-clobber", is_flag=True, help="Never let a tag that is there name something else.")
@click.option(
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Judge every image first, and move only what this policy accepts.",
)
@click.option(
    "--attest",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="KEY",
    help="With --policy: leave the assessment at the target, signed with this private key (PEM).",
)
@entitlement_option
@click.option("--receipt", type=click.Path(path_type=Path, dir_okay=False), help="Write what was moved, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Events, a line of JSON each; what --receipt writes comes last.")
@moving
@click.pass_context
def copy(
    ctx: click.Context,
    source: str,
    target: str,
    tags: tuple[str, ...],
    all_tags: bool,
    platforms: tuple[str, ...],
    no_referrers: bool,
    no_clobber: bool,
    policy: Path | None,
    attest: Path | None,
    entitlement_dir: Path | None,
    receipt: Path | None,
    as_json: bool,
    session: Session,
) -> None:
    """Move an image from SRC to DST, byte for byte, and verify it there.

    Everything goes straight through; nothing is kept on this machine. Every platform of an index is moved, and by
    default whatever speaks of the image: signatures, attestations and SBOMs, found by the registry's list of
    referrers, by its referrers tags, by cosign's tags, or in a lookaside, on every level. What the target has is not
    sent again; a copy that was broken off goes on when the same command is run again. A tag is set last, when all is
    there.

    With --policy, exactly the digest that was judged is moved; of an index every image that would arrive is judged,
    and one that is not accepted keeps all of them back.
    """
    for reference in (source, target):
        session.expect(reference, AHEAD)
    from affineur.cli.output import write
    from affineur.move.copy import Wish
    from affineur.oci.platform import parse_platform

    if attest is not None and policy is None:
        raise click.UsageError("--attest signs an assessment, which --policy makes")
    if all_tags and (tags or not _is_repository(source, "oci-archive") or not _is_repository(target)):
        raise click.UsageError(
            "--all-tags is of repositories: SRC and DST without a tag (or oci:FOLDER without a name), and no --to"
        )
    wish = Wish(
        platforms=tuple(parse_platform(each) for each in platforms),
        tags=tags,
        referrers=not no_referrers,
        no_clobber=no_clobber,
    )
    run = _Run(session, policy, attest, entitlement_dir, as_json)
    outcomes = tuple(run.every_tag(source, target, wish) if all_tags else [run.one(source, target, wish)])
    if receipt is not None:
        from affineur.report.copied import document

        write(document(outcomes), receipt)
    run.tell(outcomes)
    ctx.exit(max((each.exit_code for each in outcomes), default=0, key=_badness))


def _is_repository(text: str, *also: str) -> bool:
    """Whether a tag may be put behind it. Raises InvalidReference."""
    from affineur.oci.place import parse_place

    place = parse_place(text)
    return _TAGGED.search(text) is None if place is None else place.transport in ("oci", *also) and not place.which


def _badness(code: int) -> int:
    """Which of several exit codes says most: content that is not what was promised, then a place, then a verdict."""
    return (0, 3, 1, 4, 5).index(code)


class _Run:
    """One call of the command, and how it is shown."""

    def __init__(
        self, session: Session, policy: Path | None, attest: Path | None, entitlement_dir: Path | None, as_json: bool
    ) -> None:
        """Raises InvalidSettings: the key is of no use; known before anything is judged."""
        self._session, self._policy, self._entitlement_dir = session, policy, entitlement_dir
        self._as_json = as_json
        self._key = None
        if attest is not None:
            from affineur.cli.keys import signing_key

            self._key = signing_key(attest)

    def every_tag(self, source: str, target: str, wish: "Wish") -> "Iterator[Copied]":
        """Each tag in turn; one that fails is told, and does not keep the others back.

        Tags that are named after a digest come last, and only where what they speak of did not bring them along.

        Raises: as `Source.tags`.
        """
        import msgspec

        from affineur.move.receipt import Copied

        self._session.target(target)  # what is wrong with its name is wrong for every tag
        listed = dict.fromkeys(self._session.source(source).tags())
        tags = sorted(listed, key=lambda tag: _OF_A_DIGEST.fullmatch(tag) is not None)
        wish = msgspec.structs.replace(wish, known_tags=frozenset(tags))
        moved: set[str] = set()
        for number, tag in enumerate(tags, 1):
            named = _OF_A_DIGEST.fullmatch(tag)
            if named and (f"sha256:{named[1]}" in moved or not wish.referrers):
                continue
            self._say(f"{number} of {len(tags)}: {tag}")
            try:
                copied = self.one(f"{source}:{tag}", f"{target}:{tag}", wish)
                moved.update(each.digest for each in (copied.receipt.manifests if copied.receipt else ()))
                yield copied
            except (SourceError, ContentError, InvalidReference) as problem:  # a name that is none is the list's fault
                code = 4 if isinstance(problem, SourceError) else 5
                said = self._session.client.hidden(str(problem))
                self._say(said)
                yield Copied(f"{source}:{tag}", f"{target}:{tag}", code, problem=said)

    def one(self, source: str, target: str, wish: "Wish") -> "Copied":
        """Judge, if there is a policy, and move. Raises as `move.copy.copy`, and what `Session.assess` does."""
        import msgspec

        from affineur.move.copy import copy as move
        from affineur.move.receipt import Copied

        opened, written = self._session.source(source, thorough=True), self._session.target(target)
        assessments: tuple[Assessment, ...] = ()
        decision = None
        if self._policy is not None:
            from affineur.move.gate import combined

            document = opened.manifest()
            assessments = tuple(self._judged(opened, document, wish))
            decision = combined([each.verdict.decision for each in assessments])
            if decision != "accept":
                code = 1 if decision == "reject" else 3
                return Copied(str(opened.reference), str(written.reference), code, decision, assessments=assessments)
            wish = msgspec.structs.replace(wish, which=document.digest)
        shown = self._shown()
        try:
            found = move(opened, written, wish, shown, self._session.lookasides(), self._attestation(assessments))
        finally:
            shown.close()
        code = 3 if found.unassessed else 0
        return Copied(found.source, found.target, code, decision, found, assessments)

    def _judged(self, source: "Source", document: "Document", wish: "Wish") -> "Iterator[Assessment]":
        from affineur.errors import DigestMismatch
        from affineur.move.gate import to_judge
        from affineur.oci.reference import Reference

        for digest in to_judge(source, document, wish.platforms):
            if isinstance(source.reference, Reference):
                pinned = self._session.source(f"docker://{source.reference.name}@{digest}")
            elif source.reference.transport in ("oci", "oci-archive"):
                pinned = self._session.source(str(source.reference.at(digest)))
            else:
                pinned = source
            found = self._session.assess(pinned, None, self._policy, self._entitlement_dir)
            if found.image.manifest_digest != digest:
                raise DigestMismatch(f"{source.reference}: while it was judged", digest, found.image.manifest_digest)
            if not self._as_json:
                from affineur.cli.output import page, write
                from affineur.report.text import render_verdict

                write(render_verdict(found, **page()) + "\n")
            yield found

    def _attestation(self, assessments: "tuple[Assessment, ...]") -> "Attestation | None":
        if self._key is None:
            return None
        from affineur.move.attesting import Attestation
        from affineur.oci.digest import Digest
        from affineur.report.json import render

        judged = {Digest(each.image.manifest_digest): render(each).encode() for each in assessments}
        return Attestation(self._key, judged, datetime.now(UTC))

    def tell(self, outcomes: "tuple[Copied, ...]") -> None:
        """What was moved, on stdout."""
        from affineur.cli.output import page, write

        if self._as_json:
            from affineur.cli.moving import Events
            from affineur.report.copied import document

            Events().receipt(document(outcomes))
            return
        from affineur.report.receipt import render

        for each in outcomes:
            write(render(each, **page()) + ("\n" if len(outcomes) > 1 else ""))

    def _shown(self) -> "Events | ShownMove":
        from affineur.cli.moving import Events, ShownMove

        return Events() if self._as_json else ShownMove()

    def _say(self, text: str) -> None:
        from affineur.report.escape import visible

        click.echo(f"affineur: {visible(text)}", err=True)
