"""`affineur completion`: code for the shell to evaluate."""

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]


@click.command(
    epilog="""\b
Examples:
  source <(affineur completion bash)
  affineur completion zsh > "${fpath[1]}/_affineur"
  affineur completion fish > ~/.config/fish/completions/affineur.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print completion code for SHELL."""
    kind = get_completion_class(shell)
    if kind is None:  # cannot be: the choice above is what click knows
        raise click.UsageError(f"no completion for {shell}")
    root = ctx.find_root()
    click.echo(kind(root.command, {}, "affineur", "_AFFINEUR_COMPLETE").source())
