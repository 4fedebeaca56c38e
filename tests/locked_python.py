"""The Python environments that the tests create from a lock."""

from pathlib import Path

from tools import setup


def locked_python(lock: Path, name: str, title: str) -> Path:
    """Return the Python of an environment, which is created if its lock has changed.

    Args:
        lock: The lock of its packages.
        name: The name of its folder in the checkout's cache.
        title: The packages, for the line that reports their installation.
    """
    checkout = setup.Checkout(lock.parent)
    folder = checkout.cache / name
    python = folder / "bin" / "python"

    def create(commands: setup.Commands) -> None:
        commands.create_venv(folder)
        commands.sync(python, lock)

    fingerprint = setup.digest(lock.read_bytes(), *setup.place(checkout))
    step = setup.Step(f"{title} into .cache/{name}, from {lock.name}", folder, fingerprint, create)
    setup.set_up(checkout, print, step)
    return python
