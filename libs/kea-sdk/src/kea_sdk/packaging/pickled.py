"""What a pickle of an estimator would name."""

from __future__ import annotations

import contextlib
import pickle
import sys
from types import BuiltinFunctionType, FunctionType
from typing import Any


def modules_of(value: Any) -> set[str]:
    """Returns the modules of all classes and functions that must be importable where the pickle of a value is loaded.

    Nothing is written: arrays are passed over, the rest goes nowhere. Of what cannot be pickled as much is told as can.
    """
    collector = _Collector()
    for base in type(value).__mro__:
        collector.note(base)
    with contextlib.suppress(Exception):  # whoever saves the value says why it cannot be
        collector.dump(value)
    return collector.names - {"builtins", ""}


class _Nowhere:
    def write(self, content: Any) -> int:
        return len(content)


class _Collector(pickle.Pickler):
    def __init__(self) -> None:
        super().__init__(_Nowhere(), protocol=5, buffer_callback=lambda _buffer: None)
        self.names: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        """Is called for everything but the simplest values, and leaves the reducing to them."""
        self.note(obj if isinstance(obj, type | FunctionType | BuiltinFunctionType) else type(obj))
        return NotImplemented

    def note(self, named: Any) -> None:
        """Takes the module of a class or function."""
        module = str(getattr(named, "__module__", None) or "")
        # What came by value, as cloudpickle's functions do, says it is the script's, where it is not to be found.
        if module != "__main__" or hasattr(sys.modules.get(module), named.__qualname__.partition(".")[0]):
            self.names.add(module)
