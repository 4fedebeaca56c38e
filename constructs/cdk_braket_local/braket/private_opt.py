"""Runs a command of a job with the job's own /opt, which no other process sees.

Scripts for Amazon Braket may use the paths /opt/ml, /opt/braket and /opt/jobs. This program gives
itself a private mount namespace, mounts the job's folders there, and executes the command in its
place. This is enough for root. Other users need a user namespace, which some systems do not allow.
Without one, the command runs with the folders' paths on this machine, and the log has the reason.

Standard library only, and few imports: it runs before each script.
Source of the steps: mount_namespaces(7), user_namespaces(7).
"""

import ctypes
import os
import sys

_OPT = "/opt"
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000

_C = ctypes.CDLL(None, use_errno=True)


def main(folder: str, directory: str, command: list[str]) -> None:
    """Execute a command whose /opt has the folders of a job.

    Args:
        folder: The folder with the job's part of /opt.
        directory: The working directory of the command.
        command: The command. Paths below the folder are replaced in it and in the environment.
    """
    problem = _problem(folder)
    if problem is None:
        _give_opt(folder)
    else:
        note = (
            f"[cdk-braket-local] {_OPT}/ml and {_OPT}/braket are not there: {problem}. Read the "
            "paths from the variables AMZN_BRAKET_*\n"
        )
        os.write(1, note.encode())

    def placed(text: str) -> str:
        return text if problem else text.replace(folder, _OPT)

    os.chdir(placed(directory))
    environment = {name: placed(value) for name, value in os.environ.items()}
    os.execve(command[0], [placed(word) for word in command], environment)  # noqa: S606


def _problem(folder: str) -> str | None:
    """Return why the job cannot have its own /opt, or None. Only a child process is changed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _give_opt(folder)
        except OSError as error:
            os.write(writer, str(error).encode())
            os._exit(1)
        except BaseException:  # noqa: BLE001 - the child must not go on
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        reason = pipe.read()
    _, status = os.waitpid(child, 0)
    return None if status == 0 else reason or "the mounts failed"


def _give_opt(folder: str) -> None:
    """Mount the job's folders, and the other entries of this machine's /opt, in a new /opt."""
    _leave_namespace()
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    # By their descriptors: the new /opt may hide the paths.
    ours = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    others = os.open(_OPT, os.O_RDONLY | os.O_DIRECTORY)
    own_names = set(os.listdir(folder))
    other_names = set(os.listdir(others)) - own_names
    _mount("tmpfs", _OPT, "tmpfs", 0, "mode=755")
    for origin, names in ((ours, own_names), (others, other_names)):
        for name in names:
            _place(f"/proc/self/fd/{origin}/{name}", f"{_OPT}/{name}")
    os.close(ours)
    os.close(others)


def _leave_namespace() -> None:
    """Enter a new mount namespace, within a new user namespace if that is needed."""
    if _C.unshare(_CLONE_NEWNS) == 0:
        return
    user, group = os.getuid(), os.getgid()
    _check(_C.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "user namespaces")
    # The same ids within: the job is the same user as before.
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _place(origin: str, target: str) -> None:
    if os.path.islink(origin):
        os.symlink(os.readlink(origin), target)
        return
    if os.path.isdir(origin):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    _mount(origin, target, None, _MS_BIND | _MS_REC)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    encoded = [text.encode() if text is not None else None for text in (source, target, kind)]
    last = options.encode() if options is not None else None
    _check(_C.mount(*encoded, ctypes.c_ulong(flags), last), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
