"""Which parts of a module run, and when: at import, or perhaps later."""

import ast
from collections.abc import Iterator, Sequence

from .program import Context, Module, children, nodes


def at_import(module: Module) -> Iterator[tuple[ast.AST, Context]]:
    """Yield the nodes that importing a module runs, or may run under a condition.

    The bodies of functions that the module itself calls by name are among them.
    """
    pending: list[tuple[Sequence[ast.AST], Context]] = []
    if module.tree:
        pending.append((module.tree.body, Context.ALWAYS))
    called: set[str] = set()
    while pending:
        body, context = pending.pop()
        for node, inner in _outside_functions(body, context):
            yield node, inner
            match node:
                case ast.Call(func=ast.Name(id=name)) if name not in called:
                    called.add(name)
                    pending += [
                        (binding.node.body, inner)
                        for binding in module.bindings.get(name, ())
                        if isinstance(binding.node, ast.FunctionDef)
                    ]


def may_run(module: Module, *, is_main: bool) -> Iterator[tuple[ast.AST, Context]]:
    """Yield the nodes that may run in a job."""
    for node, context in nodes(module):
        if context is not Context.MAIN or is_main:
            yield node, context


def _outside_functions(
    body: Sequence[ast.AST], context: Context
) -> Iterator[tuple[ast.AST, Context]]:
    pending = [(node, context) for node in reversed(body)]
    while pending:
        node, here = pending.pop()
        if here is Context.MAIN:
            continue
        yield node, here
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
                pending.extend((each, here) for each in [*node.decorator_list, *defaults])
            case ast.Lambda():
                continue
            case _:
                pending.extend(reversed(list(children(node, here, _FILE_ERRORS))))


_FILE_ERRORS = frozenset(
    {"FileNotFoundError", "OSError", "IOError", "EnvironmentError", "Exception", "BaseException"}
)
