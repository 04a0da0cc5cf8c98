"""affineur policy: show the policy that holds, or check one before it is used."""

from pathlib import Path

import click
import msgspec

from affineur.cli.options import format_option, policy_option
from affineur.errors import InvalidPolicy
from affineur.trust.policy import Policy, default_text, meanings, parse_policy

__all__ = ["policy"]

SCHEMA = "affineur.policy/1"


@click.group()
def policy() -> None:
    """Show or check a policy: what is asked of an image, as a YAML file."""


@policy.command()
@policy_option
@format_option("yaml", "json")
def show(policy: Path | None, output: str) -> None:
    """Print the default policy, or the one given with --policy."""
    content, name = (default_text().encode(), "policy.yaml") if policy is None else (_read(policy), str(policy))
    parsed = parse_policy(content, name)
    if output == "json":
        _print_json(parsed)
    else:
        click.echo(content.decode(), nl=False)


@policy.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@format_option("text", "json")
def check(file: Path, output: str) -> None:
    """Say what each rule of the policy in FILE asks for.

    A mistake is told with its line, and the exit code is 2.
    """
    parsed = parse_policy(_read(file), str(file))
    if output == "json":
        _print_json(parsed)
        return
    click.echo(f"{file}: the policy {parsed.name!r} is sound. It accepts an image if all of this holds:")
    for rule, meaning in meanings(parsed):
        click.echo(f"  {rule}: {meaning}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidPolicy(f"{path}: {error.strerror or error}") from error


def _print_json(parsed: Policy) -> None:
    rules = [{"rule": rule, "meaning": meaning} for rule, meaning in meanings(parsed)]
    document = {"schema": SCHEMA, "policy": parsed, "rules": rules}
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
