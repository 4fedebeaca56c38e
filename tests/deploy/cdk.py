"""Runs the real CDK CLI against a local AWS."""

import contextlib
import functools
import json
import os
import runpy
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import aws_cdk
import boto3

from tests.deploy.environments import CDK
from tests.emulator import leaks
from tests.patience import PATIENCE

# The checkout's own command also sets variables, which this process has.
_PLAIN_COMMAND = "python3 app.py"
_VARIABLES = ("CDK_DEFAULT_ACCOUNT", "CDK_DEFAULT_REGION")
_ONE_AT_A_TIME = threading.Lock()
_App = aws_cdk.App


@dataclass(frozen=True, slots=True)
class CdkApp:
    """A CDK app as its user sees it: a folder with a cdk.json, and the commands on it.

    An app with the plain command runs in this process, not by the CLI. Each process would load
    aws-cdk-lib again.

    Attributes:
        folder: Where the app's cdk.json is.
        scratch: A folder for the cloud assembly and the outputs.
        environment: The variables of the local AWS for a command.
    """

    folder: Path
    scratch: Path
    environment: Mapping[str, str]

    def bootstrap(self, **context: object) -> None:
        """Bootstrap the environment that the local AWS is; the CLI reads the app for it."""
        settings = self.environment
        self._run(
            "bootstrap",
            "--no-notices",
            f"aws://{settings['CDK_DEFAULT_ACCOUNT']}/{settings['CDK_DEFAULT_REGION']}",
            **context,
        )

    def deploy(self, **context: object) -> dict[str, dict[str, str]]:
        """Deploy all stacks; return their outputs, by stack."""
        outputs = self.scratch / "outputs.json"
        self._run(
            "deploy", "--all", "--require-approval=never", f"--outputs-file={outputs}", **context
        )
        loaded: dict[str, dict[str, str]] = json.loads(outputs.read_text())
        return loaded

    def fail_to_deploy(self, **context: object) -> str:
        """Deploy all stacks, which must fail; return the output of the CLI."""
        finished = self._start("deploy", "--all", "--require-approval=never", **context)
        assert finished.returncode != 0, finished.stdout
        return finished.stdout

    def refactor(self, **context: object) -> str:
        """Compute a refactoring without its execution; return the output of the CLI."""
        return self._run("refactor", "--unstable=refactor", "--dry-run", **context)

    def destroy(self, **context: object) -> None:
        """Destroy all stacks."""
        self._run("destroy", "--all", "--force", **context)

    def delete_stacks(self) -> None:
        """Delete the stacks of the last deployment without the CLI, which costs seconds more.

        For stacks that depend on no other, after tests that are not about it.
        """
        settings = self.environment
        client = boto3.client(
            "cloudformation",
            endpoint_url=settings["AWS_ENDPOINT_URL"],
            region_name=settings["AWS_REGION"],
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        )
        for template in self._assembly.glob("*.template.json"):
            name = template.name.removesuffix(".template.json")
            client.delete_stack(StackName=name)
            client.get_waiter("stack_delete_complete").wait(
                StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": int(PATIENCE)}
            )

    @property
    def _assembly(self) -> Path:
        return self.scratch / "cdk.out"

    def _run(self, *arguments: str, **context: object) -> str:
        finished = self._start(*arguments, **context)
        assert finished.returncode == 0, finished.stdout
        return finished.stdout

    def _start(self, *arguments: str, **context: object) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            [CDK, *arguments, *self._app(context), "--no-color"],
            cwd=self.folder,
            # Of its own: several at once read what others are just writing.
            env={**self.environment, "CDK_HOME": str(self.scratch / "cdk-home")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        leaks.keep_output(self.environment, finished.stdout)
        return finished

    def _app(self, context: Mapping[str, object]) -> list[str]:
        """The options that name the app and its context."""
        settings = json.loads((self.folder / "cdk.json").read_text(encoding="utf-8"))
        given = {name: str(value) for name, value in context.items()}
        assembly = self._assembly
        if settings["app"].endswith(_PLAIN_COMMAND):
            # The CLI reports the error of an app that fails, or that ends with a message.
            with contextlib.suppress(Exception, SystemExit):
                self._synthesize(settings["context"] | given, assembly)
                return [f"--app={assembly}"]
        options = [f"--context={name}={value}" for name, value in given.items()]
        return [*options, f"--output={assembly}"]

    def _synthesize(self, context: Mapping[str, object], assembly: Path) -> None:
        """Run the app with a context and the variables that the CLI adds for it."""
        # The CLI asks for it, and errors are looked up by it.
        paths = {"aws:cdk:enable-path-metadata": True}
        app = functools.partial(_App, outdir=str(assembly), context={**paths, **context})
        variables = {name: self.environment[name] for name in _VARIABLES}
        with (
            _ONE_AT_A_TIME,
            mock.patch.dict(os.environ, variables),
            mock.patch.object(aws_cdk, "App", app),
        ):
            runpy.run_path(str(self.folder / "app.py"), run_name="__main__")
