"""affineur config: what the configuration means, without asking anybody."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affineur.cli.options import cert_dir_option, format_option, reference_argument, tls_verify_option

if TYPE_CHECKING:
    from affineur.source.configuration.explanation import Means

__all__ = ["config"]


@click.group(
    epilog="""\b
Examples:
  affineur config explain registry.example/team/app:1"""
)
def config() -> None:
    """Say what the configuration means: registries.conf, certificates, proxies, logins."""


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
    by which proxy, and with whose login (never its password). Nobody is asked; a credential helper is run.
    """
    import msgspec

    from affineur.cli.output import page, write
    from affineur.oci.place import parse_place
    from affineur.report.escape import json_text
    from affineur.report.explanation import render
    from affineur.source.configuration.explanation import explain as explained

    if parse_place(reference) is not None:
        raise click.UsageError(f"{reference} is on this machine: nobody is asked for it, and no configuration applies")
    found = explained(reference, _means(tls_verify, cert_dir, authfile, mirrors, settings_file))
    if output == "text":
        write(render(found, **page()))
    else:
        write(json_text(msgspec.json.format(msgspec.json.encode(found), indent=2).decode()))


def _means(
    tls_verify: bool, cert_dir: Path | None, authfile: Path | None, mirrors: tuple[str, ...], settings_file: Path | None
) -> "Means":
    from affineur import settings as configuration
    from affineur.http.addresses import AddressPolicy
    from affineur.http.mirrors import MirrorMap
    from affineur.source.configuration.certificates import TlsByHost
    from affineur.source.configuration.explanation import Means
    from affineur.source.configuration.logins import ConfiguredLogins
    from affineur.source.configuration.registries import Registries

    settings = configuration.load(settings_file)
    registries = Registries.read(os.environ)
    home = os.environ.get("HOME")
    return Means(
        registries,
        ConfiguredLogins(authfile, os.environ, registries.credential_helpers),
        TlsByHost(home=Path(home) if home else None, cert_dir=cert_dir, verify=tls_verify),
        MirrorMap([*mirrors, *(f"{mirror.from_}={mirror.to}" for mirror in settings.mirror)]),
        AddressPolicy(settings.network.allow),
        os.environ,
    )
