"""`affineur cves`: the flaws behind what an image lacks, and apart from them those that nothing fixes."""

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
  affineur cves --unfixed registry.example/team/app:1
  affineur cves --json registry.example/team/app:1"""
)
@reference_argument
@click.option("--fixed", "only", flag_value="fixed", help="Only the CVEs that an update or an erratum fixes.")
@click.option("--unfixed", "only", flag_value="unfixed", help="Only the known flaws without a fix.")
@format_option("text", "json")
@entitlement_option
@reading
@click.pass_context
def cves(
    ctx: click.Context, reference: str, only: str | None, entitlement_dir: Path | None, output: str, session: Session
) -> None:
    """List each CVE that an erratum fixes and the image REFERENCE still has, with package, versions and date.

    Then, apart from them, the known flaws for which its vendor has published no fix, with the vendor's reason. They
    count for no grade. In JSON, --fixed leaves `unfixed` null, since it is not asked for then.

    Exits with 3 where something could not be told; with --unfixed, if it is about flaws without a fix.
    """
    from affineur.errata.unfixed.model import WHAT

    assessment = session.assess(reference, None, None, entitlement_dir, unfixed=only != "fixed")
    if output == "json":
        from affineur.report.documents import cves_of
        from affineur.report.json import encoded

        write(encoded(cves_of(assessment)))
    else:
        from affineur.report.lists import render_cves

        write(render_cves(assessment, only=only or "", **page()))
    untold = [item for item in assessment.unassessed if item.what not in BESIDE]
    ctx.exit(3 if any((WHAT in item.what) == (only == "unfixed") for item in untold) else 0)
