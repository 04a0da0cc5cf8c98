"""`affineur logout`: forgets logins, where `login` keeps them."""

import os
from pathlib import Path

import click

__all__ = ["logout"]

EXIT_NONE = 3


@click.command(
    epilog="""\b
Examples:
  affineur logout registry.example
  affineur logout registry.example:5000/team
  affineur logout --all

\b
Exit codes: 0 forgotten; 2 usage; 3 there was no such login."""
)
@click.argument("registry", metavar="[HOST[/NAMESPACE…]]", required=False)
@click.option("--all", "-a", "everything", is_flag=True, help="Every login of the file, and of the helpers it names.")
@click.option(
    "--authfile",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Forget it in this file.  [default: where podman keeps it]",
)
def logout(registry: str | None, everything: bool, authfile: Path | None) -> int:
    """Forget the login for a registry, or for a part of it."""
    from affineur.source.configuration.keeping import Keeper, LoginKey
    from affineur.source.configuration.logins import ConfiguredLogins
    from affineur.source.configuration.registries import Registries

    if everything == (registry is not None):
        raise click.UsageError("name a HOST, or give --all")
    helpers = Registries.read(os.environ).credential_helpers
    keeper = Keeper(authfile, os.environ, helpers)
    if registry is None:
        places = keeper.erase_all()
        click.echo(f"Every login removed from {', '.join(places)}." if places else "There was no login.")
        return 0
    key = LoginKey.parse(registry)
    places = keeper.erase(key)
    if places:
        click.echo(f"The login for {key} removed from {', '.join(places)}.")
    else:
        click.echo(f"affineur: not logged in to {key}", err=True)
    left = ConfiguredLogins(authfile, os.environ, helpers, missing_ok=True).find(key.registry, key.repository)
    if left is not None:
        click.echo(f"affineur: what is used for {key} now is the login from {left.where}", err=True)
    return 0 if places else EXIT_NONE
