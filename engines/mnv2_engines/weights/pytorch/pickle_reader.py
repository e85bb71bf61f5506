"""A reader of pickles without Python's unpickler: it builds values, and never calls or imports what a file names.

`pickle` runs whatever a file names, and even a subclass with a restricted `find_class` leaves its opcodes that reserve
gigabytes. Here `pickletools` splits the file into opcodes, and only those that weight files are made of are followed.
"""

import pickletools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Final

from mnv2_engines.errors import ModelError

__all__ = ["Constructor", "PickleError", "follow_pickle"]


class PickleError(ModelError):
    """A pickle that holds something else than tensors, or is damaged."""


@dataclass(frozen=True, slots=True, eq=False)
class Constructor:
    """A function that a pickle may name; code of this package is called in its place."""

    build: Callable[..., object]


class _Mark:
    """Marker on the stack where a collection begins."""


_MAX_OPCODES: Final = 2_000_000
"""A checkpoint with its optimizer has 40,000."""
_PUSHED: Final = frozenset(
    {
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINBYTES",
        "SHORT_BINBYTES",
    }
)
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_IGNORED: Final = frozenset({"PROTO", "FRAME"})
_TUPLES: Final = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def follow_pickle(
    file: IO[bytes], constructors: Mapping[str, object], load_persistent: Callable[[object], object]
) -> object:
    """Return what the pickle at the file's position describes, and leave the file behind its end.

    `constructors` maps ``module.name`` to a Constructor, or to a value that stands for the name; any other name is
    refused. Raises PickleError, which says what was named.
    """
    machine = _Machine(constructors, load_persistent)
    try:
        with warnings.catch_warnings():
            # pickletools decodes texts of the oldest protocol, and Python finds fault with their escapes.
            warnings.simplefilter("error", DeprecationWarning)
            return machine.follow(file)
    except PickleError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, MemoryError, DeprecationWarning) as exc:
        raise PickleError(f"its pickle is cut short or damaged ({exc})") from exc


class _Machine:
    """Stack and memo of one pickle."""

    def __init__(self, constructors: Mapping[str, object], load_persistent: Callable[[object], object]) -> None:
        self._constructors = constructors
        self._load_persistent = load_persistent
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}
        self._steps: Mapping[str, Callable[[], None]] = {
            "MARK": lambda: self._stack.append(_Mark()),
            "STOP": lambda: None,
            "EMPTY_DICT": lambda: self._stack.append({}),
            "EMPTY_LIST": lambda: self._stack.append([]),
            "EMPTY_SET": lambda: self._stack.append([]),
            "TUPLE": lambda: self._stack.append(tuple(self._since_mark())),
            "LIST": lambda: self._stack.append(self._since_mark()),
            "APPEND": lambda: self._extend([self._stack.pop()]),
            "APPENDS": lambda: self._extend(self._since_mark()),
            "ADDITEMS": lambda: self._extend(self._since_mark()),
            "SETITEM": lambda: self._set_items([self._stack.pop(-2), self._stack.pop()]),
            "SETITEMS": lambda: self._set_items(self._since_mark()),
            "BINPERSID": lambda: self._stack.append(self._load_persistent(self._stack.pop())),
            "STACK_GLOBAL": lambda: self._name(self._stack.pop(-2), self._stack.pop()),
            "REDUCE": self._reduce,
            "BUILD": self._build,
            "MEMOIZE": lambda: self._memo.__setitem__(len(self._memo), self._stack[-1]),
        }

    def follow(self, file: IO[bytes]) -> object:
        """Follow all instructions up to the STOP, and return the one value that is left."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            self.step(opcode.name if count < _MAX_OPCODES else "one too many", argument)
        (value,) = self._stack
        return value

    def step(self, opcode: str, argument: object) -> None:
        """Follow one instruction."""
        if opcode in _PUSHED:
            self._stack.append(argument)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif opcode in _TUPLES:
            count = _TUPLES[opcode]
            items = [self._stack.pop() for _ in range(count)]
            self._stack.append(tuple(reversed(items)))
        elif opcode in {"BINPUT", "LONG_BINPUT"} and isinstance(argument, int):
            self._memo[argument] = self._stack[-1]
        elif opcode in {"BINGET", "LONG_BINGET"} and isinstance(argument, int):
            self._stack.append(self._memo[argument])
        elif opcode == "GLOBAL" and isinstance(argument, str):
            self._name(*argument.split(" ", 1))
        elif opcode in self._steps:
            self._steps[opcode]()
        elif opcode not in _IGNORED:
            raise PickleError(f"it uses the instruction {opcode}, which no file of tensors does")

    def _name(self, module: object, name: object) -> None:
        full = f"{module}.{name}"
        if full not in self._constructors:
            raise PickleError(f"it names {full!r}, and tensors are all that is taken")
        self._stack.append(self._constructors[full])

    def _reduce(self) -> None:
        arguments, constructor = self._stack.pop(), self._stack.pop()
        if not isinstance(constructor, Constructor) or not isinstance(arguments, tuple):
            raise PickleError(f"it calls a {type(constructor).__name__}")
        self._stack.append(constructor.build(*arguments))

    def _build(self) -> None:
        """Drop what would be set on an object: PyTorch notes its versions on an OrderedDict so."""
        self._stack.pop()
        if not isinstance(self._stack[-1], dict):
            raise PickleError(f"it changes the inside of a {type(self._stack[-1]).__name__}")

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise PickleError(f"it appends to a {type(target).__name__}")
        target.extend(items)

    def _set_items(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise PickleError(f"it puts items into a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, int, float, type(None))):
                # A tuple of tuples of ... can take unlimited time to hash.
                raise PickleError(f"it has a {type(key).__name__} for a key")
            target[key] = value

    def _since_mark(self) -> list[object]:
        for index in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[index], _Mark):
                items = self._stack[index + 1 :]
                del self._stack[index:]
                return items
        raise PickleError("its pickle is damaged (a collection ends that never began)")
