"""Refuses a template whose functions need something that this machine does not have.

Lambda offers functions in JavaScript the AWS SDK, and mounts layers at /opt. MiniStack runs
functions as programs of this machine: they find the modules that are installed here, and /opt is
this machine's. CDK's own providers need both (`auto_delete_objects`, `AwsCustomResource`,
`BucketDeployment`), and without them would fail in the middle of a deployment, and once more in its
rollback. So this is checked before a stack is created or changed, with the command that helps.

A function's `require` searches NODE_PATH. Its `import` does not, and knows none of MiniStack's
stand-ins: the modules of a function are linked into a `node_modules` above the functions' folders.
"""

import gzip
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import botocore
from ministack.core import lambda_runtime, responses
from ministack.services import lambda_svc
from ministack.services.cloudformation import engine, handlers, helpers

_Params = Mapping[str, Any]
_Answer = tuple[int, dict[str, str], bytes]
_Resources = Mapping[str, Mapping[str, Any]]

_ACTIONS: Final = ("CreateChangeSet", "CreateStack", "UpdateStack")
_AWS_CLI: Final = Path("/opt/awscli/aws")
_MODULE: Final = r"""["'](@(?:aws-sdk|smithy)/[a-z0-9-]+)["']"""
_REQUIRED: Final = re.compile(rf"\brequire\(\s*{_MODULE}\s*\)")
# `import … from "x"`, `export … from "x"`, `import "x"`, `import("x")`.
_IMPORTED: Final = re.compile(rf"(?:\bfrom|\bimport)\s*\(?\s*{_MODULE}")
# The SDK's own documentation, which bundles may hold, has both in its examples.
_COMMENT: Final = re.compile(r"^\s*(?:\*|//).*$", re.MULTILINE)
# What MiniStack has a stand-in for, which it uses where the module is not installed.
_STAND_IN: Final = re.compile(r'"(@aws-sdk/client-[a-z0-9-]+)":')
_CLIENT: Final = "@aws-sdk/client-"
_SERVICE_ID: Final = re.compile(rb'"serviceId":\s*"([^"]+)"')
_SCRIPTS: Final = (".js", ".cjs", ".mjs")
_MOST_NESTED: Final = 5


def install() -> None:
    """Have MiniStack's CloudFormation refuse templates that cannot be deployed here."""
    for action in _ACTIONS:
        handlers._ACTION_HANDLERS[action] = _refusing(handlers._ACTION_HANDLERS[action])


def _refusing(handle: Callable[[_Params], _Answer]) -> Callable[[_Params], _Answer]:
    def checked(params: _Params) -> _Answer:
        problems = _problems(params)
        if problems:
            answer: _Answer = helpers._error("ValidationError", " ".join(problems))
            return answer
        return handle(params)

    return checked


def _problems(params: _Params) -> list[str]:
    body, error = helpers._resolve_template(params)
    if error or not body:
        return []
    stacks = list(_with_nested(_resources(body)))
    problems = []
    needed = {module for resources in stacks for module in _needed_modules(resources)}
    missing = sorted({each.name for each in needed if not _is_there(each)})
    if missing:
        problems.append(
            f"Functions of this stack need {', '.join(missing)}: Lambda offers it to functions in "
            "JavaScript, and this machine does not have it. In the folder of your app, run: "
            f"npm install --save-dev {' '.join(missing)}"
        )
    if any(map(_has_bucket_deployment, stacks)) and not os.access(_AWS_CLI, os.X_OK):
        problems.append(
            f"A BucketDeployment of this stack runs the AWS CLI at {_AWS_CLI}, where Lambda mounts "
            "it, and this machine has none there. Install the AWS CLI, then run: "
            f'sudo mkdir -p {_AWS_CLI.parent} && sudo ln -s "$(command -v aws)" {_AWS_CLI}'
        )
    return problems


# --- The template -------------------------------------------------------------------------------


def _resources(body: str) -> _Resources:
    try:
        found = engine._parse_template(body).get("Resources")
    except (ValueError, engine.yaml.YAMLError):
        # MiniStack reports it.
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: each for name, each in found.items() if isinstance(each, dict)}


def _with_nested(resources: _Resources, depth: int = 0) -> Iterator[_Resources]:
    yield resources
    if depth == _MOST_NESTED:
        return
    for each in _of_type(resources, "AWS::CloudFormation::Stack").values():
        *_, bucket, key = ["", "", *_text(_properties(each).get("TemplateURL")).rsplit("/", 2)[-2:]]
        body = _object(bucket, key)
        if body:
            yield from _with_nested(_resources(body.decode(errors="replace")), depth + 1)


def _of_type(resources: _Resources, name: str) -> _Resources:
    return {key: each for key, each in resources.items() if each.get("Type") == name}


def _properties(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    found = resource.get("Properties")
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    """A value whose intrinsics name account, region and partition only; else something without."""
    known: Mapping[str, str] = {
        "AWS::AccountId": responses.get_account_id(),
        "AWS::Region": responses.get_region(),
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
    }
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return known.get(name, "")
        case {"Fn::Sub": str(pattern)}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: known.get(found[1], ""), pattern)
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(_text, parts))
    return ""


def _object(bucket: str, key: str) -> bytes:
    found: bytes | None = lambda_svc._fetch_code_from_s3(bucket, key) if bucket and key else None
    return found or b""


def _has_bucket_deployment(resources: _Resources) -> bool:
    return bool(_of_type(resources, "Custom::CDKBucketDeployment"))


# --- The modules of functions in JavaScript -----------------------------------------------------


class _Module(NamedTuple):
    """A module that a function loads, and whether it does so by `import`."""

    name: str
    imported: bool = False


def _needed_modules(resources: _Resources) -> Iterator[_Module]:
    calls = [_properties(each) for each in _of_type(resources, "Custom::AWS").values()]
    for properties in calls:
        yield from map(_Module, _modules_of_calls(properties))
    # It loads the modules that its calls name, when they name them.
    lazy = {_target(properties.get("ServiceToken")) for properties in calls}
    for name, function in _of_type(resources, "AWS::Lambda::Function").items():
        if name not in lazy:
            yield from _modules_of_function(_properties(function))


def _target(token: object) -> str:
    match token:
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
    return ""


def _modules_of_calls(properties: Mapping[str, Any]) -> Iterator[str]:
    """The modules that an AwsCustomResource loads. Its calls are JSON, maybe with intrinsics."""
    for event in ("Create", "Update", "Delete"):
        call = json.dumps(properties.get(event, "")).replace('\\"', '"')
        for service in re.findall(r'"service":\s*"([^"]+)"', call):
            yield _client_of(service)
        if '"assumedRoleArn"' in call:
            yield "@aws-sdk/credential-providers"


def _client_of(service: str) -> str:
    """The module of a service, named as in version 3 of the SDK or as its class in version 2."""
    name = service.removeprefix(_CLIENT).lower()
    return _CLIENT + _clients().get(name.replace("-", ""), name)


@cache
def _clients() -> Mapping[str, str]:
    """The names of the SDK's clients, by the same name without hyphens.

    A client is named after the service id of its model:
    https://github.com/aws/aws-sdk-js-v3/blob/main/supplemental-docs/CLIENTS.md
    """
    models = Path(botocore.__file__).parent.glob("data/*/*/service-2.json.gz")
    names = {_service_id(model).lower().replace(" ", "-") for model in models}
    return {name.replace("-", ""): name for name in names} | {"stepfunctions": "sfn"}


def _service_id(model: Path) -> str:
    with gzip.open(model) as file:
        found = _SERVICE_ID.search(file.read(4096))
    return found[1].decode() if found else ""


def _modules_of_function(properties: Mapping[str, Any]) -> set[_Module]:
    runtime, code = properties.get("Runtime", ""), properties.get("Code")
    in_javascript = not isinstance(runtime, str) or runtime.startswith("nodejs")
    # A layer may bring modules along.
    if not in_javascript or not isinstance(code, dict) or properties.get("Layers"):
        return set()
    if isinstance(code.get("ZipFile"), str):
        return set(_modules_of_script(code["ZipFile"]))
    archive = _object(_text(code.get("S3Bucket")), _text(code.get("S3Key")))
    return set(_modules_of_archive(archive)) if archive else set()


def _modules_of_archive(archive: bytes) -> Iterable[_Module]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            names = files.namelist()
            scripts = [name for name in names if name.endswith(_SCRIPTS)]
            texts = [
                files.read(name).decode(errors="replace")
                for name in scripts
                if "node_modules/" not in name
            ]
    except (zipfile.BadZipFile, OSError, RuntimeError):
        # MiniStack reports it.
        return []
    needed = {module for text in texts for module in _modules_of_script(text)}
    return {each for each in needed if f"node_modules/{each.name}/package.json" not in names}


def _modules_of_script(text: str) -> Iterator[_Module]:
    code = _COMMENT.sub("", text)
    yield from map(_Module, _REQUIRED.findall(code))
    for name in _IMPORTED.findall(code):
        yield _Module(name, imported=True)


def _is_there(module: _Module) -> bool:
    found = _installed(module.name)
    if module.imported and found is not None:
        _offer_to_imports(module.name, found)
    if module.imported or found is not None:
        return found is not None
    stand_ins = _STAND_IN.findall(lambda_runtime._NODEJS_WORKER_SCRIPT)
    return module.name in stand_ins


def _installed(name: str) -> Path | None:
    folders = filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep))
    candidates = (Path(folder) / name for folder in folders)
    return next((each for each in candidates if (each / "package.json").is_file()), None)


def _offer_to_imports(name: str, module: Path) -> None:
    """Link a module to where `import` finds it; its own dependencies are found beside it.

    MiniStack unpacks functions into folders of the temporary folder, which is this server's own.
    Source: https://nodejs.org/api/esm.html#no-node_path
    """
    link = Path(tempfile.gettempdir(), "node_modules", name)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(module.resolve(), target_is_directory=True)
