"""Runs import-linter, which cannot be run with `python -m`, on the rules in pyproject.toml."""

from importlinter.cli import lint_imports_command

if __name__ == "__main__":
    lint_imports_command(["--no-logo"])
