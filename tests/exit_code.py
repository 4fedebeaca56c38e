"""Ends the suite with the exit code that its caller expects."""

import signal

import pytest


class _ExitCodeOfCtrlC:
    """Ends an interrupted run with the exit code that shells give it: 130, where pytest has 2."""

    def __init__(self) -> None:
        self._interrupted = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # Pytest's own ways to stop, such as --maxfail, derive from the same exception.
        self._interrupted = excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._interrupted:
            session.exitstatus = 128 + signal.SIGINT


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_ExitCodeOfCtrlC())
