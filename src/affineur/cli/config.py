"""affineur config: what the configuration means, without asking anybody."""

import os
from pathlib import Path

import click

from affineur.cli.options import cert_dir_option, format_option, reference_argument, tls_verify_option
from affineur.cli.session import Session

__all__ = ["config"]


@click.group(
    epilog="""\b
Examples:
  affineur config explain registry.example/team/app:1"""
)
def config() -> None:
    """Say what the configuration means: registries.conf, registries.d, certificates, proxies, logins."""


@config.command(
    epilog="""\b
Examples:
  affineur config explain debian
  affineur config explain --json registry.example/team/app:1
  affineur config explain --authfile auth.json registry.example:5000/team/app"""
)
@reference_argument
@format_option("text", "json")
@tls_verify_option
@cert_dir_option
@click.option(
    "--authfile",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Logins, as podman writes them.",
)
@click.option(
    "--mirror", "mirrors", multiple=True, metavar="FROM=TO", help="Read at TO what lies below FROM (URL prefixes)."
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file.  [default: $AFFINEUR_CONFIG, ~/.config/affineur/config.toml]",
)
def explain(
    reference: str,
    output: str,
    tls_verify: bool,
    cert_dir: Path | None,
    authfile: Path | None,
    mirrors: tuple[str, ...],
    settings_file: Path | None,
) -> None:
    """Say what REFERENCE means, and how its image would be read.

    Which file and line decided, which hosts would be asked in which order, and for each: how its certificate is judged,
    by which proxy, and with whose login (never its password); and where GPG signatures of the image are looked for and
    would be put. Nobody is asked; a credential helper is run.
    """
    import msgspec

    from affineur.cli.output import page, write
    from affineur.oci.place import parse_place
    from affineur.report.escape import json_text
    from affineur.report.explanation import render
    from affineur.source.configuration.explanation import Means
    from affineur.source.configuration.explanation import explain as explained
    from affineur.source.configuration.registriesd import RegistriesD

    if parse_place(reference) is not None:
        raise click.UsageError(f"{reference} is on this machine: nobody is asked for it, and no configuration applies")
    with Session(
        tls_verify=tls_verify, cert_dir=cert_dir, authfile=authfile, mirrors=mirrors, settings_file=settings_file
    ) as session:
        means = Means(
            session.registries,
            RegistriesD.read(os.environ),
            session.logins,
            session.tls,
            session.mirror_map,
            session.addresses,
            os.environ,
        )
        found = explained(reference, means)
    if output == "text":
        write(render(found, **page()))
    else:
        write(json_text(msgspec.json.format(msgspec.json.encode(found), indent=2).decode()))
