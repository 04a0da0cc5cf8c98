"""`affineur updates`: what the image's own sources would offer it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from affineur.cli.options import entitlement_option, format_option, reading, reference_argument
from affineur.cli.output import page, write
from affineur.cli.session import Session

if TYPE_CHECKING:
    from affineur.assessment.model import Assessment

__all__ = ["updates"]

BEARING = ("updates", "packages", "layer ", "/")
"""Beginnings of what, where it could not be told, leaves out what is installed or on offer: layers, links, files."""

SHOWN = 5
"""Reasons that are shown beside a bare list."""


@click.command(
    epilog="""\b
Examples:
  affineur updates registry.example/team/app:1
  affineur updates --list registry.example/team/app:1
  affineur updates --errata registry.example/team/app:1
  affineur updates --security --json registry.example/team/app:1"""
)
@reference_argument
@click.option("--list", "listed", is_flag=True, help="A line each, as `apt list --upgradable` or `dnf check-update`.")
@click.option("--errata", is_flag=True, help="A line for each notice and package, as `dnf updateinfo list`.")
@click.option("--security", "security_only", is_flag=True, help="Only those that fix security flaws.")
@format_option("text", "json")
@entitlement_option
@reading
@click.pass_context
def updates(
    ctx: click.Context,
    reference: str,
    listed: bool,
    errata: bool,
    security_only: bool,
    entitlement_dir: Path | None,
    output: str,
    session: Session,
) -> None:
    """Tell what the image REFERENCE would be offered inside: by its own sources, keys, pins and holds.

    That is no more to be trusted than the image itself; what its distribution has published is what `assess` counts.
    Exits with 3 where something could not be told, with 4 where no repository answered.
    """
    if listed and errata:
        raise click.UsageError("--list and --errata are two different lists: name one")
    assessment = session.assess(reference, None, None, entitlement_dir)
    if output == "json":
        from affineur.report.documents import updates_of
        from affineur.report.json import encoded

        write(encoded(updates_of(assessment, security_only=security_only)))
    else:
        from affineur.report.lists import render_updates

        write(render_updates(assessment, **page(), listed=listed, errata=errata, security_only=security_only))
    code = _exit_code(assessment)
    if code and output != "json" and (listed or errata):
        _say_why(assessment)
    ctx.exit(code)


def _say_why(assessment: "Assessment") -> None:
    """A bare list has no place for what could not be told: that goes beside it, to stderr."""
    from affineur.report.escape import shortened, visible

    own = [suite for suite in assessment.suites if suite.role != "reference"]
    found = [f"{suite.suite}: {suite.problems[0]}" for suite in own if suite.problems]
    found += [f"{item.what}: {item.why}" for item in assessment.unassessed if item.what.startswith(BEARING)]
    if not own:
        found.append("the image names no repository that could be asked")
    for reason in found[:SHOWN]:
        click.echo(f"affineur: {visible(shortened(reason, 500))}", err=True)
    if len(found) > SHOWN:
        click.echo(f"affineur: and {len(found) - SHOWN} more, which `updates` without --list or --errata has", err=True)


def _exit_code(assessment: "Assessment") -> int:
    own = [suite for suite in assessment.suites if suite.role != "reference"]
    if own and not any(suite.read for suite in own):
        return 4
    untold = any(suite.problems for suite in own) or any(
        item.what.startswith(BEARING) for item in assessment.unassessed
    )
    return 3 if untold or not own else 0
