"""The script that a hybrid job runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Final

from aws_cdk import aws_s3 as s3

from cdk_braket.assets.function_source import MODULE, FunctionError, write_script
from cdk_braket.assets.local_files import LocalScript
from cdk_braket.core import s3_location
from cdk_braket.core.argument_types import checked
from cdk_braket.core.factories import FactoryOnly
from cdk_braket.core.issue import Issue
from cdk_braket.core.tokens import is_unknown
from cdk_braket.core.validation_error import ValidationError

_ARCHIVES: Final = (".tar.gz", ".tgz")


class Compression(StrEnum):
    """The packing of a script in S3.

    Example:
        >>> from cdk_braket import Compression
        >>> Compression.GZIP.value
        'GZIP'
    """

    __module__ = "cdk_braket"

    NONE = "NONE"
    """One file, which the container copies as it is."""
    GZIP = "GZIP"
    """A gzip-compressed tar archive, which the container unpacks."""


@dataclass(frozen=True, slots=True, init=False)
class AlgorithmScript(FactoryOnly):
    """The script that a hybrid job runs, with its entry point.

    Create it with `from_asset`, `from_function` or `from_bucket`.

    Attributes:
        entry_point: The start: `module:function`, or a module that is run as `__main__`.
        compression: The packing of the object in S3.

    Example:
        >>> from cdk_braket import AlgorithmScript
        >>> script = AlgorithmScript.from_asset(
        ...     "examples/h2_vqe/algorithm", entry_point="algorithm.vqe:main"
        ... )
        >>> script.entry_point
        'algorithm.vqe:main'
    """

    __module__ = "cdk_braket"

    entry_point: str
    compression: Compression
    source: LocalScript | s3_location.Location = field(repr=False)

    @staticmethod
    @checked
    def from_asset(
        path: str | Path,
        *,
        entry_point: str,
        exclude: Sequence[str] = (),
        include_modules: str | Path | Sequence[str | Path] = (),
    ) -> "AlgorithmScript":
        """Use a script of this machine: it is packed into one archive, named after its content.

        The archive has the same layout as in the Braket SDK: a directory is packed under its base
        name, which its entry points start with. The archive contains no times, owners,
        `__pycache__` or similar files. Text files get LF line ends. An unchanged script therefore
        has the same archive on every machine, and starts no new job.

        Args:
            path: A file or a directory, relative to the app's working directory.
            entry_point: `module:function` or a module; never a file's name.
            exclude: Files to omit from directories, in the syntax of .gitignore. Default: none.
            include_modules: A further file or folder that the script imports, such as a module
                beside it, or several. Each is packed at the top level under its own base name,
                where `import helpers` finds `helpers.py` or the folder `helpers`. The name is the
                Braket SDK's (`hybrid_job(include_modules=…)`). That one accepts imported modules;
                here you name their paths, relative to the app's working directory. You can also
                include a `requirements.txt`: the container installs it. Default: none.

        Example:
            >>> AlgorithmScript.from_asset(
            ...     "examples/h2_vqe/algorithm", entry_point="algorithm.vqe:main", exclude=["*.md"]
            ... ).compression.value
            'GZIP'
            >>> script = AlgorithmScript.from_asset(
            ...     "job.py", entry_point="job:main", include_modules=["helpers.py", "lib"]
            ... )
        """
        # One path is one module, as the SDK takes it, and not the letters of a string.
        if isinstance(include_modules, str | Path):
            include_modules = [include_modules]
        included = tuple(str(each) for each in include_modules)
        source = LocalScript(str(path), tuple(exclude), included)
        return AlgorithmScript._create(
            entry_point=entry_point, compression=Compression.GZIP, source=source
        )

    @staticmethod
    @checked
    def from_function(
        function: Callable[..., object],
        *,
        dependencies: str | Path | Sequence[str] = (),
        include_modules: ModuleType | str | Path | Sequence[ModuleType | str | Path] = (),
    ) -> "AlgorithmScript":
        """Use a Python function, for example of a notebook, as the Braket SDK's decorator does.

        The script is the source of the function, with all names that it uses. These are imports,
        constants, and functions and classes of the same module or notebook. A decorator of the
        function is left out. The hyperparameters of the job are bound to its arguments by name,
        and cast by their annotations. Unlike with `@hybrid_job`, the return value is not stored:
        call `save_job_result` of the SDK. The script contains no pickle: the job can have another
        version of Python, and an unchanged function starts no new job.

        Args:
            function: A function that was written with `def` at the top level.
            dependencies: The path of a `requirements.txt`, or requirements such as
                `["pennylane==0.42.3"]`: the container installs them. Default: none.
            include_modules: Modules of yours that the function imports, or their paths; one or
                several. Each is packed beside the script. Default: none.

        Raises:
            ValidationError: The function has no source, or uses a value that has none, or the file
                with the dependencies cannot be read.

        Example:
            >>> from examples.every_argument.scan import main
            >>> AlgorithmScript.from_function(main, dependencies=["numpy"]).entry_point
            'job_function:main'
        """
        if isinstance(include_modules, ModuleType | str | Path):
            include_modules = [include_modules]
        try:
            script, beside = write_script(function, dependencies)
        except FunctionError as error:
            name = getattr(function, "__qualname__", repr(function))
            issues = [Issue("function", problem, shown=name) for problem in error.problems]
            raise ValidationError("AlgorithmScript.from_function", issues) from error
        except (OSError, UnicodeDecodeError) as error:
            issue = Issue(
                "dependencies",
                f"cannot be read: {error}",
                "Use the path of a file in UTF-8, or a list of requirements.",
                shown=str(dependencies),
            )
            raise ValidationError("AlgorithmScript.from_function", [issue]) from error
        included = [_path_of(each) for each in include_modules] + [str(each) for each in beside]
        return AlgorithmScript._create(
            entry_point=f"{MODULE}:{function.__name__}",
            compression=Compression.GZIP,
            source=LocalScript(str(script), (), tuple(included)),
        )

    @staticmethod
    @checked
    def from_bucket(
        bucket: s3.IBucket, key: str, *, entry_point: str, compression: Compression | None = None
    ) -> "AlgorithmScript":
        """Use a script that is already in S3. The job may read this object.

        Args:
            bucket: A bucket that Braket can access.
            key: The key of ONE object. A prefix would fail only once the instance runs.
            entry_point: `module:function` or a module.
            compression: Default: GZIP for a key that ends in .tar.gz or .tgz, or is a token; else
                NONE.

        Example:
            >>> from aws_cdk import App, Stack
            >>> bucket = s3.Bucket.from_bucket_name(Stack(App(), "S"), "B", "amazon-braket-mine")
            >>> AlgorithmScript.from_bucket(bucket, "a.py", entry_point="a:run").compression.value
            'NONE'
        """
        packed = is_unknown(key) or key.endswith(_ARCHIVES)
        default = Compression.GZIP if packed else Compression.NONE
        source = s3_location.in_bucket(bucket, key, is_object=True)
        return AlgorithmScript._create(
            entry_point=entry_point, compression=compression or default, source=source
        )


def _path_of(module: ModuleType | str | Path) -> str:
    """Return the file of a module, or the folder of a package."""
    if not isinstance(module, ModuleType):
        return str(module)
    file = getattr(module, "__file__", None)
    path = Path(file) if file else Path(next(iter(getattr(module, "__path__", [module.__name__]))))
    return str(path.parent if path.name == "__init__.py" else path)
