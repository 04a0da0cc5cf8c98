"""`affineur copy`: from one place to another, with all that belongs to it; judged first, if that is wanted."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from affineur.cli.options import moving
from affineur.cli.session import Session

if TYPE_CHECKING:
    from affineur.move.copy import Wish
    from affineur.move.receipt import Receipt

__all__ = ["copy"]

AHEAD = 4
"""Connections to each side that are made while the program is still being loaded."""


@click.command(
    epilog="""\b
Examples:
  affineur copy docker.io/library/debian:12 registry.example/mirror/debian:12
  affineur copy registry.example/team/app:1 oci:build/app:1
  affineur copy --receipt receipt.json --to stable \\
      registry.example/team/app:1 registry.example/prod/app:1

\b
Exit codes: 0 done; 3 copied, but whether something belongs to it could not be
told; 4 a place did not answer, or refused; 5 something is not what was
promised."""
)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--to", "tags", multiple=True, metavar="TAG", help="A further tag at the target; may be repeated.")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH",
    help="Of an index, this one's manifest alone; given several times, the index with these.  [default: everything]",
)
@click.option("--no-referrers", is_flag=True, help="Leave behind what speaks of the image: signatures, SBOMs …")
@click.option("--no-clobber", is_flag=True, help="Never let a tag that is there name something else.")
@click.option("--receipt", type=click.Path(path_type=Path, dir_okay=False), help="Write what was moved, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Events, a line of JSON each, the receipt last.")
@moving
@click.pass_context
def copy(
    ctx: click.Context,
    source: str,
    target: str,
    tags: tuple[str, ...],
    platforms: tuple[str, ...],
    no_referrers: bool,
    no_clobber: bool,
    receipt: Path | None,
    as_json: bool,
    session: Session,
) -> None:
    """Move an image from SRC to DST, byte for byte, and verify it there.

    Everything goes straight through; nothing is kept on this machine. Every platform of an index is moved, and by
    default whatever speaks of the image: signatures, attestations and SBOMs, found by the registry's list of
    referrers, by its referrers tags, or by cosign's tags, on every level. What the target has is not sent again; a
    copy that was broken off goes on when the same command is run again. A tag is set last, when all is there.
    """
    for reference in (source, target):
        session.expect(reference, AHEAD)
    from affineur.cli.output import page, write
    from affineur.move.copy import Wish
    from affineur.oci.platform import parse_platform

    wish = Wish(
        platforms=tuple(parse_platform(each) for each in platforms),
        tags=tags,
        referrers=not no_referrers,
        no_clobber=no_clobber,
    )
    found = _copied(session, source, target, wish, as_json)
    if receipt is not None:
        write(_json(found), receipt)
    if not as_json:
        from affineur.report.receipt import render

        write(render(found, **page()))
    ctx.exit(3 if found.unassessed else 0)


def _copied(session: Session, source: str, target: str, wish: "Wish", as_json: bool) -> "Receipt":
    from affineur.cli.moving import Events, ShownMove
    from affineur.move.copy import copy as move

    shown = Events() if as_json else ShownMove()
    try:
        found = move(session.source(source), session.target(target), wish, shown, session.lookasides())
    finally:
        shown.close()
    if isinstance(shown, Events):
        import msgspec

        shown.say("receipt", receipt=msgspec.to_builtins(found))
    return found


def _json(found: "Receipt") -> str:
    import msgspec

    from affineur.report.escape import json_text

    return json_text(msgspec.json.format(msgspec.json.encode(found), indent=4).decode())
