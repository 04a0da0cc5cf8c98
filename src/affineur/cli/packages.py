"""`affineur packages`: what is installed."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from affineur.cli.options import format_option, reading, reference_argument
from affineur.cli.output import page, write
from affineur.cli.session import Session

if TYPE_CHECKING:
    from affineur.image.image import Image
    from affineur.packages.installed import Installed
    from affineur.report.documents import Packages
    from affineur.source.source import Source

__all__ = ["packages"]

EXIT_UNTOLD = 3


@click.command(
    epilog="""\b
Examples:
  affineur packages registry.example/team/app:1
  affineur packages --json docker.io/library/debian:12
  affineur packages --format cyclonedx registry.example/team/app:1 > app.json

\b
Formats: text, json (docs/reference/json.md), cyclonedx (1.6, JSON), spdx
(2.3, JSON)."""
)
@reference_argument
@format_option("text", "json", "cyclonedx", "spdx")
@reading
@click.pass_context
def packages(ctx: click.Context, reference: str, output: str, session: Session) -> None:
    """List what is installed in the image REFERENCE, by its package database; nothing is pulled to disk.

    Layers are read from the top down, as few as settle the answer; layers read before are remembered by their digest.
    Exits with 3 where the list may lack packages of the distribution, for instance because no database is known.
    """
    from affineur.image.image import open_image
    from affineur.packages.installed import installed

    source = session.source(reference)
    with session.progress.stage("manifest"):
        image = open_image(source, session.platform)
    with session.progress.stage("layers", image.size) as stage:
        found = installed(source, image.layers, session.layers, stage.advance)
        stage.note = f"{found.fetched} of {len(image.layers)} layers fetched"
    document = described(source, image, found)
    if output == "json":
        from affineur.report.json import encoded

        text = encoded(document)
    elif output == "cyclonedx":
        from affineur.report.sbom_cyclonedx import render as cyclonedx

        text = cyclonedx(document)
    elif output == "spdx":
        from affineur.report.sbom_spdx import render as spdx

        text = spdx(document)
    else:
        from affineur.report.lists import render_packages

        text = render_packages(document, **page())
    write(text)
    ctx.exit(0 if found.complete else EXIT_UNTOLD)


def described(source: "Source", image: "Image", found: "Installed") -> "Packages":
    """The document `affineur.packages/1`."""
    from affineur import __version__
    from affineur.assessment.facts import distribution_facts, image_facts
    from affineur.evidence import Evidence
    from affineur.packages.osrelease import OSRelease
    from affineur.packages.purl import package_purl
    from affineur.report.documents import InstalledPackage, Packages

    name = image.reference
    now = datetime.now(UTC)
    databases = {(recorded.layer, recorded.path) for recorded in found.packages}
    return Packages(
        schema_="affineur.packages/1",
        affineur=__version__,
        made=now,
        image=image_facts(image, source.warnings),
        distribution=distribution_facts(found.release or OSRelease({}, "")),
        packages=tuple(
            InstalledPackage(
                name=recorded.package.name,
                version=recorded.package.version,
                architecture=recorded.package.architecture,
                source=recorded.package.source,
                source_version=recorded.package.source_version,
                status=recorded.package.status,
                purl=package_purl(recorded.package, found.release),
                layer=str(image.diff_ids[recorded.layer]) if image.diff_ids else None,
                manager=recorded.package.manager,
                vendor=recorded.package.vendor,
                module=recorded.package.module,
                licence=recorded.package.licence,
                size=recorded.package.size,
                installed_at=recorded.package.installed_at,
                key_id=recorded.package.key_id,
                repository=recorded.package.repository,
            )
            for recorded in found.packages
        ),
        evidence=(
            Evidence(f"{name} is {image.document.media_type}", image.document.source, str(image.digest), now),
            *(
                Evidence(f"/{path} was read", f"layer {layer + 1} of {name.name}", str(image.layers[layer].digest), now)
                for layer, path in sorted(databases)
            ),
        ),
        unassessed=found.unassessed,
    )
