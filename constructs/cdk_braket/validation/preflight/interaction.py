"""Whether the script needs a person, a screen or arguments: a job has none of them."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from .entry_point import EntryPoint
from .execution import may_run
from .finding import Finding, PreflightCheck, Severity
from .program import Context, Module

_HYPERPARAMETERS: Final = (
    "Pass values as hyperparameters: as arguments of the entry function, or by "
    "braket.jobs.get_hyperparameters()."
)
_PLOTTING: Final = re.compile(r"plt|pyplot|pylab|fig(?:ure)?\d*")
_WINDOWS: Final = re.compile(r"(?i)(?:tk|qt\d?|gtk\d?|wx|macosx|web)(?:agg|cairo)?")


def check_interaction(entry: EntryPoint, modules: list[Module]) -> Iterator[Finding]:
    """Report calls that wait for a person or for arguments of a command line."""
    for module in modules:
        is_main = entry.function is None and module.name.startswith(entry.module)
        requires = _required_argument(module)
        seen: set[int] = set()
        for node, context in may_run(module, is_main=is_main):
            line = getattr(node, "lineno", 0)
            message = None if context is Context.HANDLED else _fault(node, module, requires)
            if message and line not in seen:
                seen.add(line)
                yield Finding(
                    PreflightCheck.INTERACTION,
                    Severity.WARNING,
                    f"{module.label}:{line}",
                    message,
                )


def _fault(node: ast.AST, module: Module, requires: str | None) -> str | None:
    message = None
    match node:
        case ast.Call(func=ast.Name(id="input")) if "input" not in module.bindings:
            message = f"input() waits for a keyboard, and a job has none. {_HYPERPARAMETERS}"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="getpass"), attr="getpass")):
            message = (
                "getpass() waits for a keyboard, and a job has none. Read secrets from AWS Secrets "
                "Manager."
            )
        case (
            ast.Call(func=ast.Name(id="breakpoint"))
            | ast.Call(func=ast.Attribute(value=ast.Name(id="pdb" | "ipdb"), attr="set_trace"))
        ):
            message = "a debugger waits for a keyboard, and a job has none. Remove the breakpoint."
        case ast.Call(func=ast.Attribute(value=owner, attr="show"), args=[]) if _PLOTTING.fullmatch(
            _last_name(owner)
        ):
            message = (
                f"{_last_name(owner)}.show() opens a window, and a job has no screen. Save the "
                "figure with savefig() below braket.jobs.get_results_dir()."
            )
        case ast.Call(
            func=ast.Attribute(attr="use" | "switch_backend"),
            args=[ast.Constant(value=str(backend)), *_],
        ) if _WINDOWS.fullmatch(backend):
            message = f"the plotting backend {backend!r} needs a screen. Use 'Agg'."
        case (
            ast.Call(func=ast.Attribute(value=ast.Name(id="tkinter" | "tk"), attr="Tk"))
            | ast.Call(func=ast.Attribute(value=ast.Name(id="cv2"), attr="imshow" | "waitKey"))
        ):
            message = (
                "opens a window, and a job has no screen. Save images below "
                "braket.jobs.get_results_dir()."
            )
        case ast.Subscript(
            value=ast.Attribute(value=ast.Name(id="sys"), attr="argv"),
            slice=ast.Constant(value=int(index)),
        ) if index > 0:
            message = (
                f"reads sys.argv[{index}], and a job gets no command-line arguments. "
                f"{_HYPERPARAMETERS}"
            )
        case ast.Call(
            func=ast.Attribute(attr="parse_args" | "parse_known_args"), args=[], keywords=[]
        ) if requires:
            message = (
                f"the command-line argument {requires!r} is required, and a job gets none, so "
                f"argparse ends it. {_HYPERPARAMETERS}"
            )
    return message


def _required_argument(module: Module) -> str | None:
    """The first argument of argparse in a module that has to be given."""
    for node in ast.walk(module.tree) if module.tree else ():
        match node:
            case ast.Call(
                func=ast.Attribute(attr="add_argument"), args=[ast.Constant(value=str(name)), *_]
            ):
                options = {each.arg: each.value for each in node.keywords}
                required, count = options.get("required"), options.get("nargs")
                if name.startswith("-"):
                    if isinstance(required, ast.Constant) and required.value is True:
                        return name if name.isprintable() else ascii(name)
                elif not (isinstance(count, ast.Constant) and count.value in {"?", "*"}):
                    return name if name.isprintable() else ascii(name)
    return None


def _last_name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
