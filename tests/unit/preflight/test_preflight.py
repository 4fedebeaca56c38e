"""The findings of a preflight on a script, and scripts without findings."""

import ast
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cdk_braket.assets.packaging import PackagingError
from cdk_braket.validation.preflight import Finding, PreflightCheck, Severity, preflight
from cdk_braket.validation.preflight.images import CONTAINER_PYTHON
from cdk_braket.validation.preflight.syntax import parse

MAIN = "def main(shots: int, rate: float = 0.1): pass\n"


def directory(tmp_path: Path, files: Mapping[str, str]) -> Path:
    root = tmp_path / "vqe"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def file(tmp_path: Path, text: str, name: str = "algo.py") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def check(
    tmp_path: Path, text: str, entry_point: str = "algo:main", **hyperparameters: str
) -> list[Finding]:
    found = preflight(file(tmp_path, text), entry_point, hyperparameters)
    for finding in found:
        assert finding.message.isprintable()
        assert finding.message.endswith(".")
        assert ". " in finding.message, "says what is wrong, and how to put it right"
    return found


def kinds(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.check.value, finding.severity.value) for finding in findings]


class TestEntryPoint:
    def test_a_right_one_is_no_finding(self, tmp_path: Path) -> None:
        assert check(tmp_path, MAIN, shots="10") == []

    @pytest.mark.parametrize(
        "entry_point",
        [
            "algo.py", "algo.py:main", "./algo.py", "src/algo.py:main", "algo:mian", "algo:",
            "algo:main()", "algos:main", "vqe.algo:main", "", ":main", "algo.main", "algo:x.main",
            "Algo:main", "algo:Main", " algo:main", "algo::main",
        ],
    )  # fmt: skip
    def test_a_wrong_one_is_an_error_that_gives_the_right_one(
        self, tmp_path: Path, entry_point: str
    ) -> None:
        [finding] = check(tmp_path, MAIN, entry_point, shots="1")
        assert (finding.check, finding.severity) == (PreflightCheck.ENTRY_POINT, Severity.ERROR)
        assert finding.subject == f"entry_point={entry_point!r}"
        assert finding.message.endswith("Use entry_point='algo:main'.")

    @pytest.mark.parametrize(
        ("entry_point", "right"),
        [
            ("algo:main", "vqe.algo:main"),
            ("vqe/algo.py", "vqe.algo:main"),
            ("vqe.algo.main", "vqe.algo:main"),
            ("vqe.alog:main", "vqe.algo:main"),
            ("vqe:mian", "vqe:main"),
            ("vqe", "vqe:main"),
            ("vqe.train:start", "vqe.sub.train:start"),
            ("sub.train:star", "vqe.sub.train:start"),
            ("vqe.sub:start", "vqe.sub.train:start"),
        ],
    )
    def test_the_modules_of_a_directory_start_with_its_name(
        self, tmp_path: Path, entry_point: str, right: str
    ) -> None:
        root = directory(
            tmp_path,
            {
                "__init__.py": "from .algo import main",
                "algo.py": "def main(): pass",
                "sub/train.py": "def start(): pass",
            },
        )
        [finding] = preflight(root, entry_point, {})
        assert finding.severity is Severity.ERROR
        assert finding.message.endswith(f"Use entry_point={right!r}.")
        assert preflight(root, right, {}) == []

    @pytest.mark.parametrize("text", ["vars(self)", "vars(parse())", "setattr(self, 'main', 1)"])
    def test_code_about_objects_binds_no_name_of_the_module(
        self, tmp_path: Path, text: str
    ) -> None:
        source = f"def main(): pass\ndef other(self): {text}"
        [finding] = check(tmp_path, source, "algo:mian")
        assert finding.message.endswith("Use entry_point='algo:main'.")

    @pytest.mark.parametrize(
        "text",
        [
            "from .other import main",
            "from .other import start as main",
            "from vqe.other import *",
            "from .other import start\nmain = start",
            "import numpy\nmain = numpy.vectorize(len)",
            "from somewhere import main",
            "from somewhere import *",
            "def __getattr__(name): ...",
            "globals()['main'] = print",
            "vars()['main'] = print",
            "setattr(module, 'main', print)",
            "try:\n    from fast import main\nexcept ImportError:\n    def main(): pass",
            "if True:\n    def main(): pass\nelse:\n    def main(x): pass",
            "def install():\n    global main\n    main = print",
            "main = lambda: None",
            "for main in [print]: pass",
            "with open('/x') as main: pass",
            "(main := print)",
            "match [print]:\n    case [main]: pass",
            "@decorated\ndef main(x): pass",
        ],
    )
    def test_names_that_syntax_can_follow_or_cannot_decide_are_no_error(
        self, tmp_path: Path, text: str
    ) -> None:
        root = directory(
            tmp_path,
            {"algo.py": text, "other.py": "def main(): pass\ndef start(): pass"},
        )
        found = preflight(root, "vqe.algo:main", {}, disabled=[PreflightCheck.PACKAGES])
        assert found == []

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "def f():\n    def main(): pass",
            "class A:\n    def main(self): pass",
            "from .other import nothing as main",
            "from .algo import main",
            "if __name__ == '__main__':\n    def main(): pass",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from x import main",
            "main",
            "x.main = 1",
        ],
    )
    def test_a_name_the_module_does_not_have_is_an_error(self, tmp_path: Path, text: str) -> None:
        root = directory(tmp_path, {"algo.py": text, "other.py": "def start(): pass"})
        errors = [f for f in preflight(root, "vqe.algo:main", {}) if f.severity is Severity.ERROR]
        assert [finding.check for finding in errors] == [PreflightCheck.ENTRY_POINT]

    def test_a_function_reached_through_imports_is_checked(self, tmp_path: Path) -> None:
        root = directory(
            tmp_path,
            {
                "__init__.py": "from .a import run",
                "a.py": "from .b import *",
                "b.py": MAIN + "run = main",
            },
        )
        [finding] = preflight(root, "vqe:run", {})
        assert finding.subject == "vqe/b.py:1"
        assert "'shots'" in finding.message

    @pytest.mark.parametrize("name", ["native.cpython-312-x86_64-linux-gnu.so", "native.so"])
    def test_a_compiled_module_may_hold_any_function(self, tmp_path: Path, name: str) -> None:
        root = directory(tmp_path, {name: ""})
        assert preflight(root, "vqe.native:main", {"x": "1"}) == []

    @pytest.mark.parametrize(
        ("files", "defined"),
        [
            (["a.py", "a/__init__.py"], "a/__init__.py"),
            (["a.py", "a/other.py"], "a.py"),
            (["a.py", "a.so"], "a.so"),
            (["a.py", "a.abi3.so"], "a.abi3.so"),
            (["a.so", "a/__init__.py"], "a/__init__.py"),
        ],
    )
    def test_of_two_modules_of_one_name_the_one_that_python_imports_counts(
        self, tmp_path: Path, files: list[str], defined: str
    ) -> None:
        texts = {name: f"def in_{index}(): pass" for index, name in enumerate(files)}
        root = directory(tmp_path, texts)
        for index, name in enumerate(files):
            found = preflight(root, f"vqe.a:in_{index}", {})
            assert (found == []) == (name == defined or defined.endswith(".so"))

    def test_an_excluded_module_is_not_there(self, tmp_path: Path) -> None:
        root = directory(tmp_path, {"algo.py": "def main(): pass", "old.py": "def main(): pass"})
        assert preflight(root, "vqe.old:main", {}) == []
        [finding] = preflight(root, "vqe.old:main", {}, exclude=["old.py"])
        assert "holds no module 'vqe.old'" in finding.message

    def test_a_module_that_runs_something_needs_no_function(self, tmp_path: Path) -> None:
        guarded = MAIN + 'if __name__ == "__main__":\n    main(1)\n'
        assert check(tmp_path, guarded, "algo") == []
        assert check(tmp_path, "import numpy\nnumpy.zeros(3)\n", "algo") == []

    def test_a_module_that_only_defines_is_a_warning(self, tmp_path: Path) -> None:
        [finding] = check(tmp_path, '"""Doc."""\nimport os\nN = 3\n' + MAIN, "algo")
        assert finding.severity is Severity.WARNING
        assert "does nothing" in finding.message
        assert finding.message.endswith("Use entry_point='algo:main'.")

    def test_a_package_is_run_by_its_main_module(self, tmp_path: Path) -> None:
        root = directory(tmp_path, {"__init__.py": "", "__main__.py": "print(1)"})
        assert preflight(root, "vqe", {}) == []
        (root / "__main__.py").unlink()
        [finding] = preflight(root, "vqe", {})
        assert "without __main__.py" in finding.message

    @pytest.mark.parametrize(
        "text", ["async def main(): pass", "def main():\n    for x in ():\n        yield x"]
    )
    def test_a_function_whose_body_the_call_does_not_run_is_an_error(
        self, tmp_path: Path, text: str
    ) -> None:
        assert kinds(check(tmp_path, text)) == [("entry-point", "error")]

    def test_a_yield_in_an_inner_function_does_not_count(self, tmp_path: Path) -> None:
        assert check(tmp_path, "def main():\n    def inner():\n        yield 1\n") == []

    def test_a_source_without_python_is_reported(self, tmp_path: Path) -> None:
        root = file(tmp_path, "echo", "run.sh")
        [finding] = preflight(root, "run:main", {})
        assert "Put a Python file" in finding.message

    def test_a_missing_source_is_an_error_of_packaging(self, tmp_path: Path) -> None:
        with pytest.raises(PackagingError, match="No such file"):
            preflight(tmp_path / "none", "algo:main", {})

    @pytest.mark.parametrize("name", ["code.py", "random.py", "braket.py"])
    def test_a_name_the_container_finds_elsewhere_is_an_error(
        self, tmp_path: Path, name: str
    ) -> None:
        root = file(tmp_path, "def main(): pass", name)
        [finding] = preflight(root, f"{root.stem}:main", {})
        assert finding.check is PreflightCheck.MODULE_NAME
        assert finding.message.endswith(f"Rename {name!r}.")

    def test_a_name_with_a_dot_cannot_be_imported(self, tmp_path: Path) -> None:
        root = tmp_path / "vqe.v2"
        root.mkdir()
        (root / "algo.py").write_text("def main(): pass")
        found = preflight(root, "vqe.v2.algo:main", {})
        assert "Rename it to 'vqe_v2'." in found[0].message


class TestImports:
    def test_a_module_beside_is_imported_by_its_full_name(self, tmp_path: Path) -> None:
        root = directory(
            tmp_path, {"algo.py": "import json, helper\ndef main(): pass", "helper.py": ""}
        )
        [finding] = preflight(root, "vqe.algo:main", {})
        assert (finding.check, finding.severity) == (PreflightCheck.IMPORTS, Severity.WARNING)
        assert finding.subject == "vqe/algo.py:1"
        assert "`from vqe import helper`" in finding.message

    @pytest.mark.parametrize(
        "text",
        [
            "from . import helper",
            "from vqe import helper",
            "import vqe.helper",
            "from .helper import x",
            "try:\n    import helper\nexcept ImportError: pass",
            "def f():\n    import helper",
            "import typing\nif typing.TYPE_CHECKING:\n    import helper",
        ],
    )
    def test_the_right_import_is_no_finding(self, tmp_path: Path, text: str) -> None:
        root = directory(tmp_path, {"algo.py": f"{text}\ndef main(): pass", "helper.py": "x = 1"})
        assert preflight(root, "vqe.algo:main", {}) == []

    @pytest.mark.parametrize(
        "text", ["from .. import x", "from ...x import y", "from .missing import x"]
    )
    def test_a_relative_import_of_nothing_is_an_error(self, tmp_path: Path, text: str) -> None:
        root = directory(tmp_path, {"algo.py": f"{text}\ndef main(): pass"})
        [finding] = preflight(root, "vqe.algo:main", {})
        assert kinds([finding]) == [("imports", "error")]
        assert ("leads out of the source" in finding.message) == (".." in text)


class TestHyperparameters:
    def test_one_without_an_argument_is_named(self, tmp_path: Path) -> None:
        [finding] = check(tmp_path, MAIN, shots="1", ratee="0.5")
        assert kinds([finding]) == [("hyperparameters", "error")]
        assert finding.subject == "hyperparameter 'ratee'"
        assert "Use 'rate'" in finding.message

    def test_one_it_needs_and_is_not_given_is_named(self, tmp_path: Path) -> None:
        [finding] = check(tmp_path, MAIN, rate="0.5")
        assert "needs the hyperparameter 'shots'" in finding.message
        assert finding.subject == "algo.py:1"

    @pytest.mark.parametrize(
        "text",
        ["def main(**kwargs): pass", "def main(a, *, b=1, **rest): pass", "def main(a, b): pass",
         "def main(a, *args, b): pass", "def main(b: str, a: float): pass"],
    )  # fmt: skip
    def test_those_with_an_argument_are_no_finding(self, tmp_path: Path, text: str) -> None:
        assert check(tmp_path, text, a="1", b="2") == []

    def test_arguments_by_position_only_are_an_error(self, tmp_path: Path) -> None:
        found = check(tmp_path, "def main(a, /): pass", a="1")
        assert "by position only" in found[0].message

    @pytest.mark.parametrize(
        "reads",
        ["from braket.jobs import get_hyperparameters", "path = 'AMZN_BRAKET_HP_FILE'"],
    )
    @pytest.mark.parametrize("signature", ["", "*args", "config=None"])
    def test_a_script_that_reads_them_itself_is_no_finding(
        self, tmp_path: Path, reads: str, signature: str
    ) -> None:
        assert check(tmp_path, f"{reads}\ndef main({signature}): pass", a="1") == []

    def test_unread_hyperparameters_are_a_warning(self, tmp_path: Path) -> None:
        assert kinds(check(tmp_path, "def main(): pass", a="1")) == [("hyperparameters", "warning")]
        assert kinds(check(tmp_path, "print(1)", "algo", a="1")) == [("hyperparameters", "warning")]

    def test_a_decorator_may_change_the_arguments(self, tmp_path: Path) -> None:
        assert check(tmp_path, "@click.command\ndef main(x: bool): pass", a="1") == []


class TestCasts:
    def test_future_annotations_with_a_bound_hyperparameter_are_an_error(
        self, tmp_path: Path
    ) -> None:
        future = "from __future__ import annotations\n"
        [finding] = check(tmp_path, future + MAIN, shots="1")
        assert kinds([finding]) == [("future-annotations", "error")]
        assert finding.message.endswith("Remove that import.")
        assert check(tmp_path, future + "def main(shots): pass", shots="1") == []
        assert check(tmp_path, future + "def main(shots: int = 1): pass") == []

    def test_an_annotation_in_quotes_is_the_same_trap(self, tmp_path: Path) -> None:
        found = check(tmp_path, "def main(shots: 'int'): pass", shots="1")
        assert kinds(found) == [("future-annotations", "error")]

    @pytest.mark.parametrize("value", ["True", "False", "0"])
    def test_a_bool_argument_that_is_given_is_an_error(self, tmp_path: Path, value: str) -> None:
        [finding] = check(tmp_path, "def main(fast: bool): pass", fast=value)
        assert kinds([finding]) == [("bool-arguments", "error")]
        assert finding.message.endswith('fast == "True".')
        assert check(tmp_path, "def main(fast: bool = True): pass") == []

    @pytest.mark.parametrize(
        "annotation",
        ["int | None", "Optional[int]", "typing.Union[int, str]", "list[int]", "dict", "Any",
         "Literal['a']", "None", "bytes"],
    )  # fmt: skip
    def test_an_annotation_that_converts_nothing_is_an_error(
        self, tmp_path: Path, annotation: str
    ) -> None:
        found = check(tmp_path, f"def main(x: {annotation}): pass", x="1")
        assert kinds(found) == [("argument-types", "error")]

    @pytest.mark.parametrize(
        ("annotation", "value"), [("int", "0.5"), ("int", "True"), ("float", "fast")]
    )
    def test_a_value_that_the_annotation_cannot_cast_is_an_error_without_the_value(
        self, tmp_path: Path, annotation: str, value: str
    ) -> None:
        [finding] = check(tmp_path, f"def main(x: {annotation}): pass", x=value)
        assert kinds([finding]) == [("argument-types", "error")]
        assert value not in finding.message + finding.subject

    @pytest.mark.parametrize("annotation", ["str", "float", "Path", "Annotated[int, 'shots']"])
    def test_an_annotation_that_may_convert_is_no_finding(
        self, tmp_path: Path, annotation: str
    ) -> None:
        assert check(tmp_path, f"def main(x: {annotation}): pass", x="1") == []

    def test_a_value_known_at_deploy_time_only_is_not_checked(self, tmp_path: Path) -> None:
        assert check(tmp_path, "def main(x: int): pass", x="${Token[TOKEN.12]}") == []


OLD_HOST = sys.version_info < CONTAINER_PYTHON
SINCE_3_12 = [("syntax", "warning")] if OLD_HOST else []


class TestSyntax:
    @pytest.mark.parametrize(
        "text",
        ["type X = int", "def f[T](x: T): pass", "class A[T]: pass", "x = f'{a['b']}'",
         "x = f'{\na\n}'"],
    )  # fmt: skip
    def test_a_known_module_of_the_container_is_never_refused(
        self, tmp_path: Path, text: str
    ) -> None:
        assert kinds(check(tmp_path, f"{text}\ndef main(): pass")) == SINCE_3_12

    @pytest.mark.parametrize(
        ("text", "version"),
        [
            ("x = t'hello {name}'", "3.14"),
            ("try: pass\nexcept A, B: pass", "3.14"),
            ("try: pass\nexcept* A, B: pass", "3.14"),
            ("def f[T = int](x: T): pass", "3.13"),
            ("x = [*y for y in z]", "3.15"),
            ("x = {**y for y in z}", "3.15"),
            ("lazy import numpy", "3.15"),
        ],
    )
    def test_newer_syntax_is_named_with_its_line(
        self, tmp_path: Path, text: str, version: str
    ) -> None:
        [finding] = check(tmp_path, f"def main(): f'{{1}}'\n{text}")
        assert kinds([finding]) == [("syntax", "error")]
        assert version in finding.message
        assert finding.subject == f"algo.py:{text.count(chr(10)) + 2}"

    @pytest.mark.parametrize(
        "tree",
        [
            ast.ListComp(ast.Starred(ast.Name("x")), []),
            ast.GeneratorExp(ast.Starred(ast.Name("x")), []),
            ast.DictComp(ast.Name("x"), None, []),  # type: ignore[arg-type]  # what 3.15 makes of it
            type("TemplateStr", (ast.expr,), {})(),
        ],
    )
    def test_newer_syntax_is_found_in_the_tree_of_a_newer_python(
        self, tree: ast.expr, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = ast.Module([ast.Expr(tree)], [])
        monkeypatch.setattr(
            "cdk_braket.validation.preflight.syntax.ast.parse", lambda *_, **__: module
        )
        _, fault = parse(b"")
        assert fault is not None
        assert fault.severity is Severity.ERROR

    @pytest.mark.parametrize("text", ["def f(:", "print 'x'", "x = (1", "if 1:\n\tx\n        y"])
    def test_invalid_syntax_of_python_3_is_an_error(self, tmp_path: Path, text: str) -> None:
        assert kinds(check(tmp_path, f"def main(): pass\n{text}\n")) == [("syntax", "error")]

    @pytest.mark.parametrize("data", [b"\xff", b"x\0", b"# coding: nonsense\n", b"x = '\xe9'"])
    def test_a_file_that_is_not_text_is_an_error(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "algo.py").write_bytes(data)
        found = preflight(tmp_path / "algo.py", "algo:main", {})
        assert kinds(found) == [("syntax", "error")]

    def test_a_declared_encoding_is_honoured(self, tmp_path: Path) -> None:
        (tmp_path / "algo.py").write_bytes(b"# coding: latin-1\ndef main(): '\xe9'\n")
        assert preflight(tmp_path / "algo.py", "algo:main", {}) == []

    def test_a_warning_of_the_parser_is_not_ours(self, tmp_path: Path) -> None:
        assert check(tmp_path, "def main(): '\\d'\n") == []

    def test_only_modules_that_the_entry_point_imports_are_read(self, tmp_path: Path) -> None:
        broken = "def f(:"
        root = directory(
            tmp_path,
            {"algo.py": "from .used import x\ndef main(): pass", "used.py": "x = 1",
             "unused.py": broken},
        )  # fmt: skip
        assert preflight(root, "vqe.algo:main", {}) == []
        (root / "used.py").write_text(broken)
        assert [f.subject for f in preflight(root, "vqe.algo:main", {})] == ["vqe/used.py:1"]

    def test_nothing_is_run(self, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        text = f"open({str(trace)!r}, 'w')\ndef main(x=open({str(trace)!r}, 'w')): pass"
        assert check(tmp_path, text) == []
        assert not trace.exists()
        assert "algo" not in sys.modules


# Made up, or the issuers' own published examples; split so that no scanner takes them for real.
CREDENTIALS = {
    "AKIA" + "IOSFODNN7EXAMPLE": "AWS access key id",
    "key=ASIA" + "Y34FZKBOKMUTVV7A;": "AWS access key id",
    "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYEXAMPLEKEY": "AWS secret access key",
    "IQoJb3JpZ2lu" + "X2VjE" + "Qx9" * 20: "AWS session token",
    "https://b.s3.amazonaws.com/k?X-Amz-" + "Signature=0f": "presigned",
    "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE": "private key",
    "-----BEGIN " + "PRIVATE KEY-----": "private key",
    "ghp_" + "a1B2" * 9: "GitHub",
    "github_pat_" + "11ABCDEFG0" * 3: "GitHub",
    "glpat-" + "x7Yz" * 5: "GitLab",
    "xoxb-" + "123456789012-abc": "Slack",
    "AIza" + "Sy" + "a1B2c" * 6 + "xyz": "Google",
    "hf_" + "aB3d" * 9: "Hugging Face",
    "sk-" + "proj-a1B2c3D4e5F6g7H8": "API key",
    "eyJ" + "hbGciOiJIUzI1NiJ9." + "eyJ" + "zdWIiOiIxMjM0In0.c2ln": "JSON Web Token",
    "postgresql://user:" + "hunter2@db/x": "URL with a password",
    "Bearer " + "a1b2c3d4" * 4: "authorization",
}
INNOCENT = {
    "tokenizer": "bert-base-uncased",
    "max_tokens": "4096",
    "secret_name": "prod/braket/token",
    "token_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbCdEf",
    "secret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbCdEf",
    "password": "false",
    "commit": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "uri": "s3://amazon-braket-bucket/Prefix/With/Capitals/And/Number1/data.csv",
    "url": "https://example.com:8443/path?query=1",
    "path": "/opt/braket/input/data/Training1/AndSomeMore",
    "ansatz": "RY-CNOT-RY-CNOT-RY-CNOT-RY-CNOT-RY-CNOT1",
    "notes": "The bearer of this is basic and its key is in the drawer",
    "forty": "aB3" * 13 + "a",
    "pauli": "XXYYZZIIXXYYZZIIXXYYZZIIXXYYZZIIXXYYZZII",
    "device": "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1",
}


class TestCredentials:
    @pytest.mark.parametrize("value", CREDENTIALS)
    def test_a_credential_is_refused_without_being_shown(self, tmp_path: Path, value: str) -> None:
        [finding] = check(tmp_path, "def main(**kw): pass", setting=value)
        assert kinds([finding]) == [("credentials", "error")]
        assert CREDENTIALS[value] in finding.message
        assert finding.subject == "hyperparameter 'setting'"
        assert value not in finding.message
        assert value not in repr(finding)

    @pytest.mark.parametrize(
        "name", ["password", "dbPassword", "API_KEY", "apiKey", "client-secret", "auth_token"]
    )
    def test_a_suspicious_name_is_enough(self, tmp_path: Path, name: str) -> None:
        found = check(tmp_path, "def main(**kw): pass", **{name: "hunter2"})
        assert kinds(found) == [("credentials", "error")]
        assert "hunter2" not in repr(found)

    @pytest.mark.parametrize("name", INNOCENT)
    def test_a_harmless_name_passes(self, tmp_path: Path, name: str) -> None:
        assert check(tmp_path, "def main(**kw): pass", **{name: INNOCENT[name]}) == []

    def test_a_value_known_at_deploy_time_only_passes(self, tmp_path: Path) -> None:
        assert check(tmp_path, "def main(**kw): pass", password="${Token[TOKEN.1]}") == []


FAULTS: dict[PreflightCheck, tuple[str, str, str, dict[str, str]]] = {
    PreflightCheck.ENTRY_POINT: ("algo.py", "def main(): pass", "algo:mian", {}),
    PreflightCheck.MODULE_NAME: ("code.py", "def main(): pass", "code:main", {}),
    PreflightCheck.IMPORTS: ("algo.py", "from . import x\ndef main(): pass", "algo:main", {}),
    PreflightCheck.PACKAGES: ("algo.py", "import xarray\ndef main(): pass", "algo:main", {}),
    PreflightCheck.FILE_PATHS: ("algo.py", "open('x.json')\ndef main(): pass", "algo:main", {}),
    PreflightCheck.INTERACTION: ("algo.py", "def main(): input()", "algo:main", {}),
    PreflightCheck.SYNTAX: ("algo.py", "def main(:", "algo:main", {}),
    PreflightCheck.HYPERPARAMETERS: ("algo.py", MAIN, "algo:main", {}),
    PreflightCheck.FUTURE_ANNOTATIONS: (
        "algo.py", "from __future__ import annotations\n" + MAIN, "algo:main", {"shots": "1"}
    ),
    PreflightCheck.BOOL_ARGUMENTS: ("algo.py", "def main(x: bool): pass", "algo:main", {"x": "1"}),
    PreflightCheck.ARGUMENT_TYPES: ("algo.py", "def main(x: dict): pass", "algo:main", {"x": "1"}),
    PreflightCheck.CREDENTIALS: ("algo.py", "def main(**k): pass", "algo:main", {"pwd": "x"}),
}  # fmt: skip


WARNINGS = {PreflightCheck.PACKAGES, PreflightCheck.INTERACTION}


@pytest.mark.parametrize("name", [name for name in PreflightCheck if name in FAULTS])
def test_each_check_can_be_turned_off_by_name(tmp_path: Path, name: PreflightCheck) -> None:
    filename, text, entry_point, hyperparameters = FAULTS[name]
    source = file(tmp_path, text, filename)
    severity = "warning" if name in WARNINGS else "error"
    assert kinds(preflight(source, entry_point, hyperparameters)) == [(name.value, severity)]
    assert preflight(source, entry_point, hyperparameters, disabled=[name]) == []
    others = set(PreflightCheck) - {name}
    assert len(preflight(source, entry_point, hyperparameters, disabled=others)) == 1


def test_the_check_of_requirements_can_be_turned_off_by_name(tmp_path: Path) -> None:
    root = directory(tmp_path, {"algo.py": "def main(): pass", "requirements.txt": "a=1"})
    name = PreflightCheck.REQUIREMENTS
    assert kinds(preflight(root, "vqe.algo:main", {})) == [(name.value, "error")]
    assert preflight(root, "vqe.algo:main", {}, disabled=[name]) == []


def test_each_check_has_a_test_that_turns_it_off() -> None:
    assert set(FAULTS) | {PreflightCheck.REQUIREMENTS} == set(PreflightCheck)
