"""Mutation testing of the handler, on demand: cosmic-ray creates the mutants, this tries them.

Each mutant is tried in a forked process, with its source in memory. So no file is changed, and two
runs can share a checkout. The fork comes after the import of the libraries, before the handler's.
The limit is the CPU time of the process, so that a busy machine kills no mutant.

    python -m tests.simulator.mutants --sample 15 --seed 1 --results mutants.jsonl

Without `--sample` all mutants are tried. Those that the file of results has are not tried again.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import re
import resource
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = ROOT / "tests/simulator/mutation.toml"
HANDLER: Final = "cdk_braket._lambda.braket_jobs.handler"
_CONSTANT: Final = re.compile(r"_?[A-Z][A-Z_]*(, _?[A-Z_]+)*(: \S+)? = [\d.(]")
CPU_SECONDS: Final = 240
WALL_SECONDS: Final = 1800
_BEFORE_THE_FORK: Final = (
    "boto3",
    "botocore.stub",
    "cdk_braket_local.control.instance",
    "pytest",
    "tests.deploy.cdk",
    "tests.emulator.leaks",
)


@dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    module: str
    operator: str
    occurrence: int
    line: int
    column: int

    def code(self) -> str:
        """The source of the module with the change."""
        operator = plugins.get_operator(self.operator)()
        source = (ROOT / self.module).read_text()
        mutated = mutate_code(source, operator, self.occurrence)
        assert mutated is not None
        return str(mutated)


@dataclass(frozen=True)
class Config:
    """Which modules are changed, by which operators, and which tests are to notice."""

    modules: list[str]
    excluded: list[str]
    tests: list[str]
    first: dict[str, list[str]]

    @classmethod
    def load(cls) -> "Config":
        raw = tomllib.loads(CONFIG.read_text())
        operators = raw["cosmic-ray"]["filters"]["operators-filter"]["exclude-operators"]
        tests = raw["handler"]
        return cls(raw["cosmic-ray"]["module-path"], operators, tests["tests"], tests["first"])

    def tests_of(self, module: str) -> list[str]:
        """The tests, those first that are about the module."""
        return list(dict.fromkeys([*self.first.get(Path(module).stem, []), *self.tests]))


def mutants_of(module: str, excluded: Sequence[str]) -> list[Mutant]:
    """Every mutant of a module, but for numbers that are constants of the module: times, sizes."""
    nodes = list(ast_nodes(get_ast_from_path(ROOT / module)))
    lines = (ROOT / module).read_text().splitlines()
    constants = {n for n, line in enumerate(lines, 1) if _CONSTANT.match(line)}
    found = []
    for name in sorted(plugins.operator_names()):
        operator_class = plugins.get_operator(name)
        if operator_class.arguments() or any(re.match(each, name) for each in excluded):
            continue
        operator = operator_class()
        places = (start for node in nodes for start, _ in operator.mutation_positions(node))
        found += [
            Mutant(module, name, n, line, column)
            for n, (line, column) in enumerate(places)
            # A star of a signature is no product.
            if line not in constants and not re.match(r"\*+[,\w]", lines[line - 1][column:])
        ]
    return found


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a string."""

    def __init__(self, name: str, code: str) -> None:
        self._name, self._code = name, code

    def find_spec(
        self, name: str, _path: object, _target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_loader(name, self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._code, f"<mutant of {self._name}>", "exec"), module.__dict__)  # noqa: S102


def tried(mutant: Mutant, tests: Sequence[str]) -> str:
    """Run the tests against a mutant; return whether it was killed, or survived."""
    return _result(mutant.module, mutant.code(), tests)


def _result(module: str, code: str, tests: Sequence[str]) -> str:
    if not (pid := os.fork()):
        _play(f"{HANDLER}.{Path(module).stem}", code, tests)
    until = time.monotonic() + WALL_SECONDS
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            if os.WIFSIGNALED(status):
                return "killed by time"
            return "survived" if os.WEXITSTATUS(status) == 0 else "killed"
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "killed by time"


def _play(name: str, code: str, tests: Sequence[str]) -> None:
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    os.chdir(ROOT)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.meta_path.insert(0, _Mutated(name, code))
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
    result = 1
    try:
        result = int(pytest.main([*options, *tests]))
    finally:
        os._exit(result)


def chosen(mutants: Sequence[Mutant], seed: int, sample: int | None) -> Iterator[Mutant]:
    """The mutants of a module that are tried: all, or a sample."""
    if sample is None or sample >= len(mutants):
        yield from mutants
        return
    rng = random.Random(f"{seed} {mutants[0].module}")  # noqa: S311 - it must be repeatable
    picked = rng.sample(list(mutants), sample)
    yield from sorted(picked, key=lambda mutant: (mutant.line, mutant.column, mutant.operator))


def main() -> None:
    """Try the mutants, and report those that survive."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sample", type=int, help="mutants of each module; default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", action="append", help="such as lifecycle; default: all")
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"))
    options = parser.parse_args()
    config = Config.load()
    for name in _BEFORE_THE_FORK:
        importlib.import_module(name)
    assert not any(name.startswith(HANDLER) for name in sys.modules)
    known = options.results.read_text().splitlines() if options.results.exists() else []
    done = {json.dumps(json.loads(line)["mutant"]): json.loads(line)["result"] for line in known}
    first = config.modules[0]
    unchanged = _result(first, (ROOT / first).read_text(), config.tests)
    assert unchanged == "survived", "the tests fail without a change"
    totals: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for module in config.modules:
        if options.module and Path(module).stem not in options.module:
            continue
        mutants = mutants_of(module, config.excluded)
        totals[module] = len(mutants)
        for mutant in chosen(mutants, options.seed, options.sample):
            key = json.dumps(asdict(mutant))
            if key not in done:
                done[key] = tried(mutant, config.tests_of(module))
                with options.results.open("a") as file:
                    file.write(json.dumps({"mutant": asdict(mutant), "result": done[key]}) + "\n")
            result = done[key]
            counts[result.partition(" ")[0]] += 1
            print(result, module.rpartition("/")[2], mutant.line, mutant.operator, flush=True)  # noqa: T201
    print(dict(counts), "of", sum(totals.values()), dict(totals))  # noqa: T201


if __name__ == "__main__":
    main()
