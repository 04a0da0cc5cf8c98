"""`affineur age`: the grade over time."""

from datetime import datetime
from pathlib import Path

import click

from affineur.cli.options import as_of_option, entitlement_option, format_option, reading, reference_argument
from affineur.cli.output import page, write
from affineur.cli.session import Session

__all__ = ["age"]


@click.command(
    epilog="""\b
Examples:
  affineur age registry.example/team/app:1
  affineur age --as-of 2026-01-01 --json registry.example/team/app:1"""
)
@reference_argument
@as_of_option
@format_option("text", "json")
@entitlement_option
@reading
@click.pass_context
def age(
    ctx: click.Context,
    reference: str,
    as_of: datetime | None,
    entitlement_dir: Path | None,
    output: str,
    session: Session,
) -> None:
    """Tell how the grade of the image REFERENCE changes with time.

    Since when it is what it is, each drop past and to come with its date and the errata behind it, and what a rebuild
    today would get. Exits with 3 where the letter could not be told.
    """
    assessment = session.assess(reference, as_of, None, entitlement_dir)
    if output == "json":
        from affineur.report.documents import age_of
        from affineur.report.json import encoded

        write(encoded(age_of(assessment)))
    else:
        from affineur.report.text import render_age

        write(render_age(assessment, **page()))
    ctx.exit(0 if assessment.grade.letter else 3)
