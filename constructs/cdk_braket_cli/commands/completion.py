"""`cdk-braket completion`: the completion script of a shell."""

import click
from click.shell_completion import get_completion_class

from cdk_braket_cli.command import Call, command
from cdk_braket_cli.errors import CommandError

_PROGRAM = "cdk-braket"
_VARIABLE = "_CDK_BRAKET_COMPLETE"


@command("completion", uses_aws=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, call: Call, shell: str) -> None:
    """Print the completion script of a shell.

    Bash and zsh: eval "$(cdk-braket completion bash)" in ~/.bashrc or ~/.zshrc. Fish: cdk-braket
    completion fish > ~/.config/fish/completions/cdk-braket.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise CommandError(f"click has no completion for {shell}")
    script = found(context.find_root().command, {}, _PROGRAM, _VARIABLE).source()
    call.out.show({"shell": shell, "script": script}, script)
