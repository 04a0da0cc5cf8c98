"""`affineur cves`: the flaws behind what an image lacks."""

from pathlib import Path

import click

from affineur.cli.options import entitlement_option, format_option, reading, reference_argument
from affineur.cli.output import page, write
from affineur.cli.session import Session

__all__ = ["cves"]

BESIDE = {"build age", "language packages"}
"""Not told, and not asked for here: only the distribution's packages are."""


@click.command(
    epilog="""\b
Examples:
  affineur cves registry.example/team/app:1
  affineur cves --json registry.example/team/app:1"""
)
@reference_argument
@format_option("text", "json")
@entitlement_option
@reading
@click.pass_context
def cves(ctx: click.Context, reference: str, entitlement_dir: Path | None, output: str, session: Session) -> None:
    """List each CVE that an erratum fixes and the image REFERENCE still has, with package, versions and date.

    Only flaws for which the distribution has published a fix are listed. Exits with 3 where something could not be
    told.
    """
    assessment = session.assess(reference, None, None, entitlement_dir)
    if output == "json":
        from affineur.report.documents import cves_of
        from affineur.report.json import encoded

        write(encoded(cves_of(assessment)))
    else:
        from affineur.report.lists import render_cves

        write(render_cves(assessment, **page()))
    ctx.exit(3 if any(item.what not in BESIDE for item in assessment.unassessed) else 0)
