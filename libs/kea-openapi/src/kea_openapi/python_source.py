"""The signature of a Python class, read from its source by griffe: nothing is imported and nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import griffe

from kea_openapi.array_hints import Hint, array_hint, unquoted
from kea_openapi.signature import (
    MAX_METHODS,
    METHOD_NAME,
    Datatype,
    Field,
    Method,
    Signature,
    SignatureError,
    TensorType,
)
from kea_openapi.source_docstrings import documentation
from kea_openapi.source_literals import NotLiteral, literal
from kea_openapi.source_modules import MAX_MODULES, MAX_SOURCE_CHARACTERS, SourceError, SourceModules
from kea_openapi.source_records import Kind, kind_of, members
from kea_openapi.type_hints import Hints

__all__ = ["SourceError", "read_sources", "signature_of"]

_MAX_BASES = 16
_UNNAMED = frozenset({griffe.ParameterKind.var_positional, griffe.ParameterKind.var_keyword})


def read_sources(directory: Path) -> dict[str, str]:
    """Reads the Python files of a directory, as `signature_of` takes them.

    Files that are too long or not UTF-8 are left out: what would need them is reported as missing.
    """
    sources: dict[str, str] = {}
    for path in sorted(directory.rglob("*.py")):
        inside = path.relative_to(directory)
        if any(part.startswith(".") for part in inside.parts) or path.is_symlink():
            continue
        if len(sources) >= MAX_MODULES * 8 or path.stat().st_size > MAX_SOURCE_CHARACTERS * 4:
            continue
        try:
            sources[inside.as_posix()] = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
    return sources


def signature_of(sources: Mapping[str, str], entrypoint: str) -> Signature:
    """Reads the signature of a class.

    Args:
        sources: text per path, relative to the directory that will be on the import path.
        entrypoint: `file.py:Class`.

    Raises:
        SourceError: the entrypoint is not there, or the source is not Python; with file and line.
    """
    path, _, name = entrypoint.partition(":")
    if not path or not name:
        problem = f"entrypoint {entrypoint!r} must be `file.py:Class`"
        raise SourceError(problem)
    modules = SourceModules(sources)
    module = modules.module_at(path)
    found = modules.find(f"{module.path}.{name}")
    if not isinstance(found, griffe.Class):
        classes = [known for known, member in module.members.items() if isinstance(member, griffe.Class)]
        problem = f"there is no class {name!r}; there is {', '.join(classes) or 'none at all'}"
        raise SourceError(problem, path)
    functions = _public_functions(modules, found)
    if not functions:
        problem = f"class {name!r} has no public method"
        raise SourceError(problem, path, found.lineno or 0)
    if len(functions) > MAX_METHODS:
        problem = f"class {name!r} has {len(functions)} public methods; at most {MAX_METHODS} are served"
        raise SourceError(problem, path, found.lineno or 0)
    incomplete: list[str] = []
    methods = tuple(_Reader(modules, function, incomplete).method() for function in functions)
    names = [method.name for method in methods]
    default = "predict" if "predict" in names else names[0] if len(names) == 1 else ""
    signature = Signature(methods, default, tuple(incomplete))
    try:
        signature.validate()
    except SignatureError as error:
        raise SourceError(str(error), path, found.lineno or 0) from error
    return signature


def _public_functions(modules: SourceModules, found: griffe.Class) -> list[griffe.Function]:
    """Returns the public methods in the order they are written, then those of bases among the sources."""
    functions: dict[str, griffe.Function] = {}
    hidden: set[str] = set()
    waiting, seen = [found], {found.path}
    while waiting and len(seen) <= _MAX_BASES:
        current = waiting.pop(0)
        for name, member in current.members.items():
            if isinstance(member, griffe.Function) and METHOD_NAME.match(name) and name not in hidden:
                functions.setdefault(name, member)
            hidden.add(name)
        for base in current.bases:
            parent = modules.find(base.canonical_path if isinstance(base, griffe.Expr) else str(base))
            if isinstance(parent, griffe.Class) and parent.path not in seen:
                seen.add(parent.path)
                waiting.append(parent)
    return list(functions.values())


class _Reader:
    """Reads one method."""

    def __init__(self, modules: SourceModules, function: griffe.Function, incomplete: list[str]) -> None:
        self._modules = modules
        self._function = function
        self._incomplete = incomplete
        self._docs = documentation(function.docstring)
        self._where = f"methods.{function.name}"
        owner = function.parent
        self._scope = owner if isinstance(owner, griffe.Class) else function.module

    def method(self) -> Method:
        if not self._docs.text:
            self._miss(self._where, "has no docstring")
        return Method(
            name=self._function.name,
            description=self._docs.text,
            inputs=self._inputs(),
            outputs=self._outputs(),
        )

    def _inputs(self) -> tuple[Field, ...]:
        parameters = list(self._function.parameters)
        if "staticmethod" not in self._function.labels:
            parameters = parameters[1:]
        inputs: list[Field] = []
        for parameter in parameters:
            where = f"{self._where}.inputs.{parameter.name}"
            if parameter.kind in _UNNAMED:
                self._miss(where, "takes any number of arguments and is left out: inputs need names")
                continue
            default: Any = None
            if not parameter.required:
                default = literal(self._modules, parameter.default)
                if isinstance(default, NotLiteral):
                    self._miss(where, f"has the default `{parameter.default}`, which is no literal and is not shown")
                    default = None
            text = self._docs.members.get(parameter.name, "")
            if not text:
                self._miss(where, "is not described in the docstring")
            required = parameter.required
            inputs.append(self._field(parameter.name, parameter.annotation, text, where, default, required=required))
        return tuple(inputs)

    def _outputs(self) -> tuple[Field, ...]:
        hint = unquoted(self._function.returns, self._scope)
        record = self._record(hint)
        if record is None:
            where = f"{self._where}.outputs.result"
            if not self._docs.returns and hint != "None":
                self._miss(where, "is not described in the docstring")
            return (self._field("result", hint, self._docs.returns, where, None, required=True, output=True),)
        outputs: list[Field] = []
        for member in members(self._modules, record):
            where = f"{self._where}.outputs.{member.name}"
            text = member.description
            if not text:
                self._miss(where, f"is not described in class {record.name}")
            outputs.append(
                self._field(member.name, member.hint, text, where, None, required=True, output=True, scope=member.owner)
            )
        return tuple(outputs)

    def _record(self, hint: Hint) -> griffe.Class | None:
        """Returns the class whose members are the outputs, or None where the result is one value."""
        if not isinstance(hint, griffe.ExprName | griffe.ExprAttribute):
            return None
        found = self._modules.find(hint.canonical_path)
        if not isinstance(found, griffe.Class):
            return None
        return found if kind_of(self._modules, found) in {Kind.DATACLASS, Kind.TYPED_DICT} else None

    def _field(
        self,
        name: str,
        hint: Hint,
        text: str,
        where: str,
        default: Any,
        *,
        required: bool,
        output: bool = False,
        scope: griffe.Module | griffe.Class | None = None,
    ) -> Field:
        scope = scope or self._scope
        if hint is None:
            self._miss(where, "has no type hint, so any JSON is accepted" if not output else "has no type hint")
            return Field(name, json_schema={}, description=text, required=required, default=default)
        array = array_hint(hint, scope, text)
        if array is not None:
            if array.shape is None:
                wanted = (
                    "annotate `np.ndarray[tuple[int, int], np.dtype[np.float32]]` or write `shape (n, 4)` in its docs"
                )
                assumed = "is any nesting of arrays" if output else "is taken to be [-1, -1]"
                self._miss(where, f"has no known shape and {assumed}; {wanted}")
            if array.datatype is None:
                self._miss(where, "has no known element type and is taken to be FP64")
            tensor = array.tensor
            if tensor is None and not output:
                tensor = TensorType(array.datatype or Datatype.FP64, (-1, -1))
            if tensor is not None:
                return Field(name, tensor, description=text, required=required, default=default)
        gaps: list[str] = []
        schema = Hints(self._modules, gaps).schema(hint, scope)
        for gap in gaps:
            self._miss(where, gap)
        return Field(name, json_schema=schema, description=text, required=required, default=default)

    def _miss(self, where: str, sentence: str) -> None:
        self._incomplete.append(f"{where}: {sentence}.")
