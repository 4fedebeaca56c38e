"""Scripts and inputs: where they go, and that only their content names them."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Annotations, Match

from cdk_braket import (
    AlgorithmScript,
    ContainerImage,
    Device,
    HybridJob,
    InputChannel,
    ValidationError,
)
from cdk_braket.assets.local_files import MAX_INPUT_BYTES, MAX_INPUT_FILES, LocalScript
from cdk_braket.assets.packaging import MAX_BYTES
from tests.synth.support import LOCAL, argument_of, assets_of, new_stack, request_of, script


def _destinations(stack: Stack) -> list[str]:
    """Keys in the inputs bucket."""
    assets = assets_of(stack)
    [(bucket, objects)] = assets.items()
    assert bucket.startswith("cdk-")
    return list(objects.values())


def _key(uri: str) -> str:
    return uri.partition("://")[2].partition("/")[2]


def _job(stack: Stack, directory: Path, **options: object) -> HybridJob:
    everything = {"algorithm": script(directory / "script"), "device": LOCAL, **options}
    return HybridJob(stack, "Job", **everything)  # type: ignore[arg-type]  # one way for all


def _uri_of_channel(stack: Stack) -> str:
    [channel] = cast(
        "list[dict[str, dict[str, dict[str, str]]]]", request_of(stack)["inputDataConfig"]
    )
    return channel["dataSource"]["s3DataSource"]["s3Uri"]


def test_the_script_is_copied_from_its_asset_to_the_location_in_the_request(tmp_path: Path) -> None:
    stack = new_stack()
    _job(stack, tmp_path)
    [destination] = _destinations(stack)
    algorithm = request_of(stack)["algorithmSpecification"]
    assert isinstance(algorithm, dict)
    assert destination == _key(algorithm["scriptModeConfig"]["s3Uri"])
    assert "InputsBucket" in algorithm["scriptModeConfig"]["s3Uri"]


def test_a_file_is_one_object_below_a_prefix_of_its_content(tmp_path: Path) -> None:
    data = tmp_path / "h2.json"
    data.write_text("{}", encoding="utf-8")
    stack = new_stack()
    _job(stack, tmp_path, input_data={"data": InputChannel.from_asset(data)})
    _, destination = _destinations(stack)
    assert destination == f"{_key(_uri_of_channel(stack))}h2.json"
    assert destination.startswith("inputs/")


def test_a_directory_has_one_object_for_each_file(tmp_path: Path) -> None:
    for name in ("a.csv", "deep/er/b.csv", "left.out", "__pycache__/c.pyc"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    stack = new_stack()
    channel = InputChannel.from_asset(tmp_path / "data", exclude=["*.out"])
    _job(stack, tmp_path, input_data={"data": channel})
    prefix = _key(_uri_of_channel(stack))
    assert prefix.endswith("/")
    assert [key.removeprefix(prefix) for key in _destinations(stack)[1:]] == [
        "a.csv",
        "deep/er/b.csv",
    ]


def test_the_same_content_elsewhere_is_the_same_definition(tmp_path: Path) -> None:
    def built(directory: Path, content: str) -> object:
        (directory / "data").mkdir(parents=True)
        (directory / "data" / "a.csv").write_text(content, encoding="utf-8")
        stack = new_stack()
        channel = InputChannel.from_asset(directory / "data")
        _job(stack, directory, input_data={"data": channel})
        return request_of(stack)

    first, again, changed = (
        built(tmp_path / str(index), content) for index, content in enumerate(("1", "1", "2"))
    )
    assert first == again
    assert first != changed


def test_a_renamed_input_file_is_another_definition(tmp_path: Path) -> None:
    uris = []
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("1", encoding="utf-8")
        stack = new_stack()
        _job(stack, tmp_path, input_data={"d": InputChannel.from_asset(tmp_path / name)})
        uris.append(_uri_of_channel(stack))
        shutil.rmtree(tmp_path / "script")
    assert len(set(uris)) == 2


def test_too_many_input_files_are_refused_with_a_fix(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for index in range(MAX_INPUT_FILES):
        (data / str(index)).write_text("", encoding="utf-8")
    _job(new_stack(), tmp_path, input_data={"d": InputChannel.from_asset(data)})
    (data / "more").write_text("", encoding="utf-8")
    with pytest.raises(ValidationError, match=r"InputChannel\.from_bucket"):
        _job(new_stack(), tmp_path, input_data={"d": InputChannel.from_asset(data)})


def test_a_file_beyond_the_copy_limit_of_s3_is_reported_before_it_is_read(tmp_path: Path) -> None:
    large = write_sparse(tmp_path / "data" / "large", MAX_INPUT_BYTES + 1)
    write_sparse(tmp_path / "data" / "small", 1)
    with pytest.raises(ValidationError) as caught:
        _job(new_stack(), tmp_path, input_data={"d": InputChannel.from_asset(tmp_path / "data")})
    [problem] = caught.value.problems
    assert problem.startswith(
        f"input_data['d']: data/{large.name}: is of {MAX_INPUT_BYTES + 1} bytes, and at most "
        f"{MAX_INPUT_BYTES} are copied at once. Split it, or put it in a bucket"
    )


def test_a_script_that_is_too_large_is_reported_with_a_fix(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "algo.py", MAX_BYTES + 1)
    with pytest.raises(ValidationError) as caught:
        HybridJob(
            new_stack(),
            "Job",
            algorithm=AlgorithmScript.from_asset(path, entry_point="algo:main"),
            device=LOCAL,
        )
    [problem] = [each for each in caught.value.problems if "bytes" in each]
    assert problem.startswith(f"algorithm: {path}: holds {MAX_BYTES + 1} bytes, and at most ")


def write_sparse(path: Path, size: int) -> Path:
    """A file of a size, without blocks."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_link_that_leads_outside_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("", encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ValidationError, match="data/link: links outside the source"):
        _job(new_stack(), tmp_path, input_data={"d": InputChannel.from_asset(tmp_path / "data")})


def test_a_missing_path_is_one_problem_among_the_others(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        HybridJob(
            new_stack(),
            "Job",
            algorithm=AlgorithmScript.from_asset(tmp_path / "no", entry_point="no:main"),
            input_data={"d": InputChannel.from_asset(tmp_path / "none")},
            device=LOCAL,
        )
    assert [argument_of(problem) for problem in caught.value.problems] == [
        "algorithm",
        "input_data['d']",
    ]


def test_the_packed_script_is_reported(tmp_path: Path) -> None:
    stack = new_stack()
    _job(stack, tmp_path)
    notes = Annotations.from_stack(stack).find_info("*", Match.any_value())
    packed = "cdk-braket: packed algo.py: 1 file, 17 B, packed "
    assert [str(note.entry.data)[: len(packed)] for note in notes].count(packed) == 1


def test_jobs_of_one_script_share_its_asset(tmp_path: Path) -> None:
    app = App()
    stack = Stack(app, "Stack")
    algorithm = script(tmp_path)
    for name in ("One", "Two"):
        HybridJob(stack, name, algorithm=algorithm, device=LOCAL)
    directory = Path(app.synth().directory)
    assert len(list(directory.glob("asset.*.gz"))) == 1


@pytest.mark.parametrize("kind", [str, Path])
def test_one_module_to_include_is_one_path(kind: type[str] | type[Path]) -> None:
    script = AlgorithmScript.from_asset(
        "job.py", entry_point="job:main", include_modules=kind("helpers.py")
    )
    assert isinstance(script.source, LocalScript)
    assert script.source.include == (Path("helpers.py"),)


def test_a_job_gets_its_included_modules_and_its_image_decides_the_python(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("import helpers, tomllib, xarray\ndef main(): pass")
    (tmp_path / "helpers.py").write_text("")

    def job(stack: Stack, **options: Any) -> HybridJob:  # noqa: ANN401 - of any argument
        included = options.pop("include_modules", ())
        script = AlgorithmScript.from_asset(
            tmp_path / "job.py", entry_point="job:main", include_modules=included
        )
        device = Device.local("braket/default")
        return HybridJob(stack, "Job", algorithm=script, device=device, **options)

    with pytest.raises(ValidationError, match=r"include_modules=\["):
        job(new_stack())
    stack = new_stack()
    job(stack, include_modules=tmp_path / "helpers.py")
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    assert ["'xarray'" in str(each) for each in found if "packages" in str(each)] == [True]
    stack = new_stack()
    own = ContainerImage.from_uri("111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:v1")
    job(stack, include_modules=[tmp_path / "helpers.py"], image=own)
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    assert not [each for each in found if "preflight" in str(each)]


def scan(shots: int) -> None:
    """Written here, and packed by its source."""
    sys.stdout.write(json.dumps(shots))


def _function_job(**options: object) -> str:
    stack = new_stack()
    algorithm = AlgorithmScript.from_function(scan, **options)  # type: ignore[arg-type]
    HybridJob(stack, "Job", algorithm=algorithm, device=LOCAL, hyperparameters={"shots": 3})
    request: Any = request_of(stack)
    script = request["algorithmSpecification"]["scriptModeConfig"]
    assert script["entryPoint"] == "job_function:scan"
    return str(script["s3Uri"])


def test_a_function_is_packed_by_its_source_alone() -> None:
    assert _function_job() == _function_job()
    assert _function_job() != _function_job(dependencies=["numpy"])
    packed = AlgorithmScript.from_function(scan, dependencies=["numpy"], include_modules=shutil)
    assert isinstance(packed.source, LocalScript)
    names = [path.name for path in (packed.source.path, *packed.source.include)]
    assert names == ["job_function.py", "shutil.py", "requirements.txt"]


def test_a_function_without_source_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"function=len: expected a function") as raised:
        AlgorithmScript.from_function(len)
    assert raised.value.construct_path == "AlgorithmScript.from_function"
    with pytest.raises(
        ValidationError, match=r"function='scan': expected a function, got a string"
    ):
        AlgorithmScript.from_function("scan")  # type: ignore[arg-type]


def test_unreadable_dependencies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"dependencies=.*nowhere.txt: cannot be read: "):
        AlgorithmScript.from_function(scan, dependencies=tmp_path / "nowhere.txt")
    (tmp_path / "other.txt").write_bytes(b"\xff")
    with pytest.raises(ValidationError, match=r"dependencies=.*other.txt: cannot be read: "):
        AlgorithmScript.from_function(scan, dependencies=str(tmp_path / "other.txt"))
