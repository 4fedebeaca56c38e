"""Scripts as people bring them: faults that the container would meet only on the instance."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging import requirements

from cdk_braket.validation.preflight import Finding, PreflightCheck, Severity, preflight

BASE = "292282985366.dkr.ecr.us-east-1.amazonaws.com/amazon-braket-base-jobs"
OWN = "111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:v1"
RUN = "\ndef run(): pass\n"


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def lines(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(each.check.value, each.severity.value, each.subject) for each in found]


def only(found: list[Finding]) -> Finding:
    [finding] = found
    assert finding.message.isprintable()
    assert ". " in finding.message, "the fault and its fix"
    assert finding.message.endswith(".")
    return finding


def of_job(tmp_path: Path, text: str, entry: str = "job:run", **options: str) -> list[Finding]:
    write(tmp_path, {"job.py": text + RUN})
    return preflight(tmp_path / "job.py", entry, {}, image_uri=options.get("image"))


class TestLocalModules:
    @pytest.mark.parametrize("helper", ["helpers.py", "helpers/__init__.py", "helpers/a.py"])
    @pytest.mark.parametrize(
        "text",
        [
            "import helpers",
            "from helpers import x",
            "import helpers.a",
            "import importlib\nimportlib.import_module('helpers')",
            "from importlib import import_module\nimport_module('helpers.a')",
            "__import__('helpers')",
            "import runpy\nrunpy.run_module('helpers')",
        ],
    )
    def test_a_module_beside_the_script_is_reported_with_its_fix(
        self, tmp_path: Path, helper: str, text: str
    ) -> None:
        write(tmp_path, {helper: "x = a = 1"})
        finding = only(of_job(tmp_path, text))
        line = 1 + text.count("\n")
        assert lines([finding]) == [("imports", "error", f"job.py:{line}")]
        name = helper.partition("/")[0]
        assert f"include_modules=['{tmp_path}/{name}']" in finding.message

    def test_packed_it_is_found_and_read(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            {
                "job.py": "import helpers, lib.a\nfrom helpers import f" + RUN,
                "helpers.py": "def f(:",
                "lib/a.py": "import lib.b",
                "lib/b.py": "",
            },
        )
        include = [tmp_path / "helpers.py", tmp_path / "lib"]
        found = preflight(tmp_path / "job.py", "job:run", {}, include=include)
        assert ("syntax", "error", "helpers.py:1") in lines(found)
        (tmp_path / "helpers.py").write_text("f = 1")
        assert preflight(tmp_path / "job.py", "job:run", {}, include=include) == []

    @pytest.mark.parametrize(
        ("text", "fix"),
        [
            ("import lib", "include_modules=['{0}/mono/lib']"),
            ("from lib.a import x", "include_modules=['{0}/mono/lib']"),
            ("import shared", "include_modules=['{0}/shared.py']"),
            ("import tool", "include_modules=['{0}/mono/src/tool']"),
            ("import mono.lib", "from_asset('{0}/mono', entry_point='mono.jobs.job:run')"),
            ("from mono import lib", "from_asset('{0}/mono', entry_point='mono.jobs.job:run')"),
            ("from .. import lib", "from_asset('{0}/mono', entry_point='mono.jobs.job:run')"),
            ("from ..lib import a", "from_asset('{0}/mono', entry_point='mono.jobs.job:run')"),
        ],
    )
    def test_a_part_of_a_larger_tree_that_imports_its_siblings(
        self, tmp_path: Path, text: str, fix: str
    ) -> None:
        write(
            tmp_path,
            {
                "mono/jobs/job.py": text + RUN,
                "mono/lib/a.py": "x = 1",
                "mono/src/tool/b.py": "",
                "shared.py": "",
            },
        )
        finding = only(preflight(tmp_path / "mono" / "jobs", "jobs.job:run", {}))
        assert lines([finding]) == [("imports", "error", "jobs/job.py:1")]
        assert fix.format(tmp_path) in finding.message

    def test_a_path_is_named_as_the_app_would(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, {"jobs/job.py": "import helpers" + RUN, "jobs/helpers.py": ""})
        monkeypatch.chdir(tmp_path)
        finding = only(preflight(Path("jobs/job.py"), "job:run", {}))
        assert "include_modules=['jobs/helpers.py']" in finding.message

    def test_a_single_file_has_no_relative_imports(self, tmp_path: Path) -> None:
        write(tmp_path, {"pkg/job.py": "from .helpers import x" + RUN, "pkg/helpers.py": "x = 1"})
        finding = only(preflight(tmp_path / "pkg" / "job.py", "job:run", {}))
        assert f"from_asset('{tmp_path}/pkg', entry_point='pkg.job:run')" in finding.message

    @pytest.mark.parametrize(
        "text", ["import vqe.data", "from vqe import data", "from . import data"]
    )
    def test_an_excluded_module_is_named_with_its_pattern(self, tmp_path: Path, text: str) -> None:
        root = write(tmp_path / "vqe", {"job.py": text + RUN, "data.py": ""})
        finding = only(preflight(root, "vqe.job:run", {}, exclude=["data*"]))
        assert "exclude keeps" in finding.message
        assert "'data.py'" in finding.message

    @pytest.mark.parametrize(
        ("text", "severity"),
        [
            ("import vqe.nothing", "error"),
            ("from vqe.nothing import x", "error"),
            ("from vqe import nothing", "error"),
            ("from . import nothing", "error"),
            ("from .other import nothing", "warning"),
            ("from vqe.other import x", None),
            ("from vqe.other import __doc__", None),
            ("from vqe import other", None),
        ],
    )
    def test_names_that_the_archive_does_not_have(
        self, tmp_path: Path, text: str, severity: str | None
    ) -> None:
        root = write(tmp_path / "vqe", {"job.py": text + RUN, "other.py": "x = 1"})
        found = preflight(root, "vqe.job:run", {})
        assert [each.severity.value for each in found] == ([severity] if severity else [])

    @pytest.mark.parametrize(
        "text",
        [
            "try:\n    import helpers\nexcept ImportError:\n    helpers = None",
            "try:\n    import helpers\nexcept Exception:\n    import json as helpers",
            "import contextlib\nwith contextlib.suppress(ImportError):\n    import helpers",
            "import sys\nif sys.version_info < (3, 9):\n    import helpers",
            "import typing\nif typing.TYPE_CHECKING:\n    import helpers",
            "if __name__ == '__main__':\n    import helpers",
            "import os, sys\nsys.path.append(os.environ['X'])\nimport helpers",
        ],
    )
    def test_an_import_that_may_fail_or_is_not_run_is_no_finding(
        self, tmp_path: Path, text: str
    ) -> None:
        write(tmp_path, {"helpers.py": ""})
        assert of_job(tmp_path, text) == []

    def test_the_main_block_of_a_module_that_is_run_counts(self, tmp_path: Path) -> None:
        write(tmp_path, {"helpers.py": ""})
        text = "if __name__ == '__main__':\n    import helpers"
        assert only(of_job(tmp_path, text, "job")).subject == "job.py:2"

    @pytest.mark.parametrize(
        "text", ["def f():\n    import helpers", "try:\n    import helpers\nfinally: pass"]
    )
    def test_an_import_that_runs_later_or_is_not_handled_is_reported(
        self, tmp_path: Path, text: str
    ) -> None:
        write(tmp_path, {"helpers.py": ""})
        assert only(of_job(tmp_path, text)).check is PreflightCheck.IMPORTS

    def test_an_image_of_ones_own_may_have_the_module(self, tmp_path: Path) -> None:
        write(tmp_path, {"helpers.py": ""})
        found = of_job(tmp_path, "import helpers", image=OWN)
        assert lines(found) == [("imports", "warning", "job.py:1")]


class TestSysPath:
    @pytest.mark.parametrize(
        "change",
        [
            "sys.path.append(os.path.dirname(__file__))",
            "sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))",
            "sys.path.insert(0, str(Path(__file__).parent))",
            "sys.path.append(str(Path(__file__).resolve().parents[0]))",
            "HERE = Path(__file__).parent\nsys.path.append(str(HERE))",
            "sys.path += [os.path.dirname(__file__)]",
            "sys.path[:0] = [os.path.dirname(__file__)]",
            "sys.path = [os.path.dirname(__file__)] + sys.path",
            "sys.path.extend([os.path.join(os.path.dirname(__file__), '.')])",
            "site.addsitedir(os.path.dirname(__file__))",
        ],
    )
    def test_a_folder_that_the_script_adds_is_searched(self, tmp_path: Path, change: str) -> None:
        head = "import os, site, sys\nfrom pathlib import Path\n"
        text = f"{head}{change}\nimport helper"
        root = write(tmp_path / "vqe", {"job.py": text + RUN, "helper.py": ""})
        assert preflight(root, "vqe.job:run", {}) == []
        (root / "helper.py").write_text("def f(:")
        found = preflight(root, "vqe.job:run", {})
        assert lines(found) == [("syntax", "error", "vqe/helper.py:1")], "it is read, too"

    def test_a_folder_that_is_added_after_the_import_is_not(self, tmp_path: Path) -> None:
        text = "import helper, os, sys\nsys.path.append(os.path.dirname(__file__))"
        root = write(tmp_path / "vqe", {"job.py": text + RUN, "helper.py": ""})
        found = preflight(root, "vqe.job:run", {})
        assert lines(found) == [("imports", "warning", "vqe/job.py:1")]

    def test_a_folder_below_and_a_folder_above(self, tmp_path: Path) -> None:
        text = (
            "import sys\nfrom pathlib import Path\n"
            "sys.path.append(str(Path(__file__).parent.parent / 'lib'))\nimport tool\n"
        )
        root = write(tmp_path / "vqe", {"a/job.py": text + RUN, "lib/tool.py": ""})
        assert preflight(root, "vqe.a.job:run", {}) == []
        text = text.replace(".parent / ", ".parent.parent / ")
        write(tmp_path, {"vqe/a/job.py": text + RUN, "lib/tool.py": ""})
        finding = only(preflight(root, "vqe.a.job:run", {}, exclude=["lib"]))
        assert f"include_modules=['{tmp_path}/lib/tool.py']" in finding.message


class TestPackages:
    @pytest.mark.parametrize(
        ("name", "distribution"),
        [
            ("xarray", "xarray"),
            ("skimage", "scikit-image"),
            ("cv2", "opencv-python"),
            ("bs4", "beautifulsoup4"),
            ("qiskit_aer.noise", "qiskit-aer"),
            ("torch", "torch"),
        ],
    )
    def test_one_that_nothing_offers_is_a_warning_with_its_name(
        self, tmp_path: Path, name: str, distribution: str
    ) -> None:
        root = write(tmp_path / "vqe", {"job.py": f"import json\nimport {name}" + RUN})
        finding = only(preflight(root, "vqe.job:run", {}))
        assert lines([finding]) == [("packages", "warning", "vqe/job.py:2")]
        assert f"Add {distribution!r} to vqe/requirements.txt." in finding.message
        (root / "requirements.txt").write_text(f"{distribution.upper()}>=1.0  # why\n")
        assert preflight(root, "vqe.job:run", {}) == []

    @pytest.mark.parametrize(
        "name",
        ["numpy", "braket.circuits", "pennylane", "sklearn", "PIL", "yaml", "dateutil", "networkx",
         "scipy.optimize", "boto3", "matplotlib.pyplot", "mpl_toolkits", "pandas", "qiskit",
         "qiskit_braket_provider", "autograd", "setuptools", "distutils"],
    )  # fmt: skip
    def test_one_of_the_image_is_no_finding(self, tmp_path: Path, name: str) -> None:
        assert of_job(tmp_path, f"import {name}") == []

    @pytest.mark.parametrize(
        ("image", "name"),
        [("pytorch", "torch"), ("pytorch", "torchvision"), ("tensorflow", "tensorflow"),
         ("tensorflow", "keras"), ("cudaq", "cudaq"), ("cudaq", "mpi4py"), ("pytorch", "cudaq")],
    )  # fmt: skip
    def test_each_image_has_its_own(self, tmp_path: Path, image: str, name: str) -> None:
        uri = BASE.replace("base", image) + ":latest"
        assert of_job(tmp_path, f"import {name}", image=uri) == []
        found = of_job(tmp_path, f"import {name}", image=BASE + ":latest")
        assert lines(found) == [("packages", "warning", "job.py:1")]

    @pytest.mark.parametrize(
        "uri", [OWN, "${Token[TOKEN.1]}", f"{BASE.replace('base', 'other')}:latest"]
    )
    def test_of_an_image_of_ones_own_nothing_is_known(self, tmp_path: Path, uri: str) -> None:
        assert of_job(tmp_path, "import xarray", image=uri) == []

    def test_the_file_that_is_beside_and_not_packed_is_named(self, tmp_path: Path) -> None:
        write(tmp_path, {"requirements.txt": "xarray"})
        finding = only(of_job(tmp_path, "import xarray"))
        path = tmp_path / "requirements.txt"
        assert f"include_modules=['{path}']" in finding.message
        assert preflight(tmp_path / "job.py", "job:run", {}, include=[path]) == []

    @pytest.mark.parametrize("name", ["imp", "asyncore"])
    def test_one_that_python_no_longer_has_is_named(self, tmp_path: Path, name: str) -> None:
        assert "Python 3.12 removed" in only(of_job(tmp_path, f"import {name}")).message

    def test_packages_that_requirements_may_bring(self, tmp_path: Path) -> None:
        root = write(tmp_path / "vqe", {"job.py": "import magic, ocp, deep" + RUN})
        (root / "requirements.txt").write_text("python-magic\ncadquery-ocp\n-r more/deep.txt\n")
        write(root, {"more/deep.txt": "deep[all]; python_version > '3.8'"})
        assert preflight(root, "vqe.job:run", {}) == []

    @pytest.mark.parametrize(
        "line", ["git+https://github.com/a/b", "./vqe/pkg", "-e ./vqe/pkg", "-r https://a.b/c.txt"]
    )
    def test_one_without_a_name_may_be_any(self, tmp_path: Path, line: str) -> None:
        root = write(tmp_path / "vqe", {"job.py": "import xarray" + RUN, "pkg/setup.py": ""})
        (root / "requirements.txt").write_text(line)
        assert preflight(root, "vqe.job:run", {}) == []

    @pytest.mark.parametrize("name", ["numpy.py", "pennylane.py", "sklearn.py"])
    def test_a_script_with_the_name_of_a_package_is_refused(
        self, tmp_path: Path, name: str
    ) -> None:
        write(tmp_path, {name: RUN, "job.py": RUN})
        stem = name.removesuffix(".py")
        finding = only(preflight(tmp_path / name, f"{stem}:run", {}))
        assert finding.check is PreflightCheck.MODULE_NAME
        found = preflight(tmp_path / "job.py", "job:run", {}, include=[tmp_path / name])
        assert only(found).subject == f"include_modules={name!r}"


class TestRequirements:
    @pytest.mark.parametrize(
        ("text", "line", "part"),
        [
            ("numpy=1.26", 1, "Write `numpy==1.26`."),
            ("numpy=1.26=py312_0", 1, "Write `numpy==1.26`."),
            ("# ok\nscipy\nnumpy 1.26", 3, "Write `numpy==1.26`."),
            ("numpy==", 1, "cannot parse"),
            ("numpy>=1.0,<", 1, "cannot parse"),
            ("numpy; python_version", 1, "cannot parse"),
            ("numpy; python_version > '3' and", 1, "cannot parse"),
            ("numpy[", 1, "cannot parse"),
            ("import numpy", 1, "cannot parse"),
            ("pip install numpy", 1, "cannot parse"),
            ("name: env", 1, "cannot parse"),
            ("--quiet", 1, "knows no option"),
            ("-r", 1, "needs a value"),
            ("-r other.txt", 1, "not in the archive"),
            ("-c limits.txt", 1, "not in the archive"),
            ("-e ../x", 1, "does not have"),
            ("--editable=../x", 1, "does not have"),
            ("-e .", 1, None),
            ("../x", 1, "does not have"),
            ("./pkg", 1, "does not have"),
            ("./vqe/pkg", 1, None),
            ("/home/me/x-1.0-py3-none-any.whl", 1, "does not have"),
            ("x @ file:///home/conda/feedstock_root/x", 1, "does not have"),
            ("file:///home/me/x", 1, "does not have"),
            ("vqe/x-1.0-py3-none-any.whl", 1, None),
        ],
    )
    def test_lines_that_pip_refuses(
        self, tmp_path: Path, text: str, line: int, part: str | None
    ) -> None:
        files = {"job.py": RUN, "pkg/a.py": "", "x-1.0-py3-none-any.whl": ""}
        root = write(tmp_path / "vqe", {**files, "requirements.txt": text})
        found = preflight(root, "vqe.job:run", {})
        if part is None:
            assert found == []
            return
        finding = only(found)
        assert lines([finding]) == [("requirements", "error", f"vqe/requirements.txt:{line}")]
        assert part in finding.message

    @pytest.mark.parametrize(
        "text",
        [
            "numpy", "numpy==1.26.4", "numpy >=1.0, <2", "numpy~=1.26", "numpy!=1.*", "n===abc",
            "numpy (>=1.0)", "numpy[a,b]>=1.0rc1", "numpy==1!2.0.post1.dev3+local.1",
            "a; python_version >= '3.8' and (os_name == 'posix' or extra == \"x\")",
            "a; sys_platform not in 'win32'", "a @ https://b.c/d.whl ; python_version > '3'",
            "a @ git+https://github.com/a/b@main", "git+ssh://git@github.com/a/b.git#egg=b",
            "-i https://a.b/simple", "--index-url=https://${USER}:${TOKEN}@a.b/simple", "--pre",
            "--extra-index-url https://a.b\n--trusted-host a.b\n--no-binary :all:",
            "a==1 --hash=sha256:abc \\\n    --hash=sha256:def  # why", "# only\n\n   # this",
            "a==1.0 ; implementation_name == 'cpython'", "zope.interface", "A_b.c-d",
            "-e git+https://a.b/c#egg=c", "numpy==1.26.*", "https://a.b/c-1.0-py3-none-any.whl",
        ],
    )  # fmt: skip
    def test_lines_that_pip_reads(self, tmp_path: Path, text: str) -> None:
        root = write(tmp_path / "vqe", {"job.py": RUN, "requirements.txt": text})
        assert preflight(root, "vqe.job:run", {}) == []

    def test_the_verdict_on_a_line_is_that_of_pips_parser(self, tmp_path: Path) -> None:
        names, extras = ["a", "a-b", "a b", "a."], ["", "[x]", "[x,]", "[", "[ x , y ]"]
        versions = ["", "==1", ">= 1.0", "==1.*", ">1.*", "~=1", "~=1.0", "=1", "==a", "==1,<2",
                    "==1,,<2", "(>=1)", "==1+a", ">1+a", "==1rc1", "==v1.0"]  # fmt: skip
        markers = ["", "; os_name == 'x'", "; os_name", "; nothing == 'x'", "; 'a' == os_name"]
        root = write(tmp_path / "vqe", {"job.py": RUN})
        disagreed = []
        for name in names:
            for extra in extras:
                for version in versions:
                    for marker in markers:
                        line = f"{name}{extra}{version}{marker}"
                        try:
                            requirements.Requirement(line)
                            valid = True
                        except requirements.InvalidRequirement:
                            valid = False
                        (root / "requirements.txt").write_text(line)
                        if (preflight(root, "vqe.job:run", {}) == []) != valid:
                            disagreed.append((line, valid))
        assert disagreed == []

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
    def test_a_file_with_a_byte_order_mark_is_read(self, tmp_path: Path, encoding: str) -> None:
        root = write(tmp_path / "vqe", {"job.py": "import xarray" + RUN})
        (root / "requirements.txt").write_text("xarray\n", encoding=encoding)
        assert preflight(root, "vqe.job:run", {}) == []

    def test_another_encoding_is_reported(self, tmp_path: Path) -> None:
        root = write(tmp_path / "vqe", {"job.py": RUN})
        (root / "requirements.txt").write_bytes("# für\n".encode("latin-1"))
        assert "UTF-8" in only(preflight(root, "vqe.job:run", {})).message

    @pytest.mark.parametrize(
        "line",
        [
            "--index-url https://me:{}@pypi.example.com/simple",
            "--extra-index-url=https://{}@pypi.example.com/simple",
            "-f http://me:{}@example.com/wheels",
            "git+https://{}@github.com/a/b.git",
            "a @ https://me:{}@example.com/a.whl",
            "-e git+https://me:{}@github.com/a/b.git#egg=b",
        ],
    )
    def test_a_password_in_a_url_is_reported_and_never_shown(
        self, tmp_path: Path, line: str
    ) -> None:
        secret = "hunter2" + "Zq"
        root = write(tmp_path / "vqe", {"job.py": RUN, "requirements.txt": line.format(secret)})
        finding = only(preflight(root, "vqe.job:run", {}))
        assert lines([finding]) == [("credentials", "error", "vqe/requirements.txt:1")]
        assert secret not in repr(finding)

    def test_every_requirements_file_of_the_archive_is_read(self, tmp_path: Path) -> None:
        files = {"job.py": RUN, "requirements.txt": "a=1", "sub/requirements.txt": "b=1"}
        root = write(tmp_path / "vqe", {**files, "requirements-dev.txt": "c=1"})
        found = preflight(root, "vqe.job:run", {})
        assert [each.subject for each in found] == [
            "vqe/requirements.txt:1",
            "vqe/sub/requirements.txt:1",
        ]


PINNED = f"{BASE}:1.0-cpu-py310-ubuntu22.04"
STAR = "try: pass\nexcept* ValueError: pass"


class TestPython:
    def test_a_pinned_image_decides_the_python(self, tmp_path: Path) -> None:
        assert of_job(tmp_path, STAR, image=f"{BASE}:latest") == []
        finding = only(of_job(tmp_path, STAR, image=PINNED))
        assert finding.check is PreflightCheck.SYNTAX
        assert "3.10" in finding.message

    def test_the_standard_library_is_that_of_the_image(self, tmp_path: Path) -> None:
        assert of_job(tmp_path, "import tomllib") == []
        found = of_job(tmp_path, "import tomllib", image=PINNED)
        assert lines(found) == [("packages", "warning", "job.py:1")]
        assert of_job(tmp_path, "import asyncore", image=PINNED) == []

    @pytest.mark.parametrize(
        "uri",
        [OWN, f"{BASE}@sha256:{'0' * 64}", f"{BASE}:v1", "${Token[TOKEN.1]}",
         "111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:py310"],
    )  # fmt: skip
    @pytest.mark.parametrize(
        "text", [STAR, "x = t'hello'", "lazy import json", "try: pass\nexcept A, B: pass"]
    )
    def test_an_unknown_python_may_be_any(self, tmp_path: Path, uri: str, text: str) -> None:
        assert of_job(tmp_path, text, image=uri) == []

    def test_syntax_of_no_python_is_an_error_in_any_image(self, tmp_path: Path) -> None:
        found = of_job(tmp_path, "print 'x'", image=OWN)
        assert lines(found) == [("syntax", "error", "job.py:1")]

    def test_a_newer_image_may_have_packages_that_braket_lacks(self, tmp_path: Path) -> None:
        found = of_job(tmp_path, "lazy import json", image=f"{BASE}:1.0-cpu-py315-ubuntu24.04")
        expected = [] if sys.version_info >= (3, 15) else [("syntax", "warning", "job.py:1")]
        assert lines(found) == expected


class TestForms:
    @pytest.mark.parametrize("entry", ["nb", "nb:main", "nb.ipynb", "nb.ipynb:main", "./nb.ipynb"])
    def test_a_notebook_is_no_script(self, tmp_path: Path, entry: str) -> None:
        write(tmp_path, {"nb.ipynb": "{}"})
        finding = only(preflight(tmp_path / "nb.ipynb", entry, {}))
        assert finding.check is PreflightCheck.ENTRY_POINT
        assert "jupyter nbconvert" in finding.message
        assert "entry_point='nb'" in finding.message

    def test_a_notebook_among_modules(self, tmp_path: Path) -> None:
        root = write(tmp_path / "vqe", {"nb.ipynb": "{}", "job.py": RUN})
        assert "notebook" in only(preflight(root, "vqe.nb:main", {})).message
        assert "notebook" not in only(preflight(root, "vqe.jbo:run", {})).message

    @pytest.mark.parametrize("entry", ["job:Runner.run", "job:Runner.run()", "job:Alias.run"])
    def test_a_method_is_no_entry_point(self, tmp_path: Path, entry: str) -> None:
        text = "class Runner:\n    def run(self): pass\nAlias = Runner\n"
        finding = only(of_job(tmp_path, text, entry))
        assert finding.severity is Severity.ERROR
        owner = entry.partition(":")[2].partition(".")[0]
        assert f"`def main(): {owner}().run()`" in finding.message
        assert "entry_point='job:main'" in finding.message

    @pytest.mark.parametrize(
        ("text", "severity"),
        [
            ("class Job:\n    def run(self): pass", "error"),
            ("class Job:\n    def __init__(self): work()", "warning"),
            ("class Job(Base):\n    pass", "warning"),
            ("@dataclass\nclass Job:\n    x: int = 1", "warning"),
        ],
    )
    def test_a_class_is_reported(self, tmp_path: Path, text: str, severity: str) -> None:
        finding = only(of_job(tmp_path, text, "job:Job"))
        assert lines([finding]) == [("entry-point", severity, "entry_point='job:Job'")]
        assert "is a class" in finding.message

    @pytest.mark.parametrize(
        "decorator", ["hybrid_job", "hybrid_job(device=None)", "braket.jobs.hybrid_job(device='x')"]
    )
    def test_a_function_of_the_sdks_decorator_is_refused(
        self, tmp_path: Path, decorator: str
    ) -> None:
        finding = only(of_job(tmp_path, f"@{decorator}\ndef start(): pass", "job:start"))
        assert finding.severity is Severity.ERROR
        assert "Remove the decorator" in finding.message

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("import functools\nasync def f(x): pass\nstart = functools.partial(f, 1)", "awaits"),
            (
                "from functools import partial\ndef f(x): yield x\nstart = partial(f, 1)",
                "iterates",
            ),
            ("start = lambda: (yield)", "iterates"),
            ("start = 3", "cannot be called"),
            ("start = {}", "cannot be called"),
            ("import functools\ndef f(x): pass\nstart = functools.partial(f, 1)", None),
            ("start = lambda: None", None),
        ],
    )
    def test_other_objects(self, tmp_path: Path, text: str, fault: str | None) -> None:
        found = of_job(tmp_path, text, "job:start")
        if fault is None:
            assert found == []
        else:
            assert fault in only(found).message

    def test_a_byte_order_mark_tabs_and_crlf_are_read(self, tmp_path: Path) -> None:
        text = b"\xef\xbb\xbfdef run():\r\n\tif 1:\r\n\t\tpass\r\n"
        (tmp_path / "job.py").write_bytes(text)
        assert preflight(tmp_path / "job.py", "job:run", {}) == []


class TestFilePaths:
    @pytest.mark.parametrize(
        "text",
        [
            "x = open('data.json')",
            "import json\nx = json.load(open('data.json'))",
            "from pathlib import Path\nx = Path('data.json').read_text()",
            "from pathlib import Path\nP = Path('d') / 'x.json'\nx = P.read_text()",
            "import numpy as np\nx = np.load('data.npy')",
            "import pandas as pd\nx = pd.read_csv('d/data.csv')",
            "NAME = 'data.json'\nwith open(NAME) as f: pass",
            "import os\nx = open(os.path.join('d', 'x.json'))",
            "def load():\n    return open('data.json')\nx = load()",
            "class A:\n    x = open('data.json')",
            "def f(x=open('data.json')): pass",
        ],
    )
    def test_a_relative_path_at_import_is_an_error(self, tmp_path: Path, text: str) -> None:
        finding = only(of_job(tmp_path, text))
        assert (finding.check, finding.severity) == (PreflightCheck.FILE_PATHS, Severity.ERROR)
        assert finding.subject.startswith("job.py:")
        assert "Path(__file__).parent / " in finding.message
        as_module = of_job(tmp_path, text, "job")
        assert not [each for each in as_module if each.check is PreflightCheck.FILE_PATHS]

    @pytest.mark.parametrize(
        "text",
        [
            "x = open('/etc/hosts')",
            "from pathlib import Path\nx = (Path(__file__).parent / 'data.json').read_text()",
            "def f():\n    open('data.json')",
            "f = lambda: open('data.json')",
            "if __name__ == '__main__':\n    open('data.json')",
            "try:\n    open('data.json')\nexcept FileNotFoundError: pass",
            "import numpy as np\nx = np.load(name)",
            "import yaml\nx = yaml.load('a: 1')",
            "import webbrowser\nwebbrowser.open('x')",
            "import pandas as pd\nx = pd.read_csv('s3://b/data.csv')",
        ],
    )
    def test_other_paths_are_no_finding(self, tmp_path: Path, text: str) -> None:
        assert of_job(tmp_path, text) == []

    def test_a_file_that_is_written_at_import_is_a_warning(self, tmp_path: Path) -> None:
        finding = only(of_job(tmp_path, "log = open('log.txt', 'w')"))
        assert finding.severity is Severity.WARNING
        assert "get_results_dir()" in finding.message

    @pytest.mark.parametrize("entry", ["vqe.job:run", "vqe.job"])
    def test_a_file_beside_a_module_of_a_package(self, tmp_path: Path, entry: str) -> None:
        text = "def run():\n    return open('data.json')\nif __name__ == '__main__': run()\n"
        root = write(tmp_path / "vqe", {"job.py": text, "data.json": "{}"})
        finding = only(preflight(root, entry, {}))
        assert lines([finding]) == [("file-paths", "warning", "vqe/job.py:2")]
        assert "'vqe/data.json'" in finding.message
        write(root, {"job.py": text.replace("data.json", "vqe/data.json")})
        assert preflight(root, entry, {}) == []

    @pytest.mark.parametrize(
        ("path", "fix"),
        [
            ("/opt/ml/input/data/x", "get_input_data_dir"),
            ("/opt/ml/model", "get_results_dir"),
            ("/opt/braket/checkpoints", "get_checkpoint_dir"),
            ("/opt/ml", "braket.jobs"),
        ],
    )
    def test_a_path_of_the_container_is_a_warning(
        self, tmp_path: Path, path: str, fix: str
    ) -> None:
        finding = only(of_job(tmp_path, f"def f():\n    '{path}'\n    return {path!r}"))
        assert lines([finding]) == [("file-paths", "warning", "job.py:3")]
        assert fix in finding.message


class TestInteraction:
    @pytest.mark.parametrize(
        "text",
        [
            "x = input('n? ')",
            "import getpass\ngetpass.getpass()",
            "breakpoint()",
            "import pdb\npdb.set_trace()",
            "import matplotlib.pyplot as plt\nplt.show()",
            "import matplotlib\nmatplotlib.use('TkAgg')",
            "import sys\nx = sys.argv[1]",
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('n')\np.parse_args()",
            (
                "import argparse\np = argparse.ArgumentParser()\n"
                "p.add_argument('--n', required=True)\np.parse_args()"
            ),
        ],
    )
    def test_a_script_that_needs_a_person_is_a_warning(self, tmp_path: Path, text: str) -> None:
        last = text.count("\n") + 1
        found = of_job(tmp_path, text)
        assert lines(found) == [("interaction", "warning", f"job.py:{last}")]
        inner = "def f():\n    " + text.replace("\n", "\n    ")
        found = of_job(tmp_path, inner)
        assert lines(found) == [("interaction", "warning", f"job.py:{last + 1}")]

    @pytest.mark.parametrize(
        "text",
        [
            "def input(x): return x\ninput(3)",
            "import sys\nx = sys.argv[0]",
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n')\np.parse_args()",
            (
                "import argparse\np = argparse.ArgumentParser()\np.add_argument('n')\n"
                "p.parse_args(['1'])"
            ),
            "import matplotlib\nmatplotlib.use('Agg')",
            "if __name__ == '__main__':\n    input()",
            "import matplotlib.pyplot as plt\nplt.savefig('/tmp/x.png')",
        ],
    )
    def test_a_script_that_needs_none_is_no_finding(self, tmp_path: Path, text: str) -> None:
        assert of_job(tmp_path, text) == []
