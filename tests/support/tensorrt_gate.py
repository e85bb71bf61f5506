"""Show a builder one release of TensorRT, and drive TensorRT for RTX behind it, which builds without a GPU.

The release's names, enum members with their values, and methods come from a record of its real Python module: what it
lacks raises AttributeError here as it would there. Enum members are translated by name, and numbers made of them by the
release's own values, so that a bit number written by hand means what it would mean there. What RTX does not have (the
FP16 flag and weakly typed networks of 8.6) is recorded in `network_flags` and `builder_flags`, and not done.
"""

import gzip
import json
import warnings

import pytest

RELEASES = ("10.3.0", "10.13.3", "10.16.1", "11.0", "11.4")
"""Of JetPack 6.1, 7.0 and 7.2, which take typed networks; 8.6.1 of JetPack 6.0 does not."""
BASES = frozenset({"ILogger", "IProgressMonitor"})
"""What our code derives classes from: handed out as they are."""
TYPED = "STRONGLY_TYPED"


class GateError(AssertionError):
    """Say that the release would have taken a call for something else than what was meant."""


class Member:
    """One enum member, as pybind11 makes them: a number only to those who ask for one."""

    def __init__(self, enum, name, value):
        self.enum, self.name, self.value = enum, name, value

    def __int__(self):
        return self.value

    __index__ = __int__

    def __eq__(self, other):
        return isinstance(other, Member) and (self.enum, self.value) == (other.enum, other.value)

    def __hash__(self):
        return hash((self.enum, self.value))

    def __repr__(self):
        return f"<{self.enum}.{self.name}: {self.value}>"


class Enum:
    """One enum class."""

    def __init__(self, release, name, values):
        self._release, self._name = release, name
        self.__members__ = {member: Member(name, member, value) for member, value in values.items()}

    def __getattr__(self, name):
        if name in self.__members__:
            return self.__members__[name]
        raise AttributeError(f"TensorRT {self._release} has no {self._name}.{name}")


class GatedObject:
    """An object of RTX that has only what the release's class has."""

    def __init__(self, gate, real):
        object.__setattr__(self, "_gate", gate)
        object.__setattr__(self, "_real", real)
        object.__setattr__(self, "_record", gate.record[type(real).__name__])

    def _check(self, name):
        if name not in self._record:
            raise AttributeError(f"TensorRT {self._gate.__version__} has no {type(self._real).__name__}.{name}")

    def __getattr__(self, name):
        self._check(name)
        special = getattr(self._gate, f"_{type(self._real).__name__}_{name}", None)
        value = getattr(self._real, name)
        if special is not None:
            return lambda *args: special(self._real, *args)
        return self._gate.call(value) if callable(value) else self._gate.wrap(value)

    def __setattr__(self, name, value):
        self._check(name)
        setattr(self._real, name, self._gate.unwrap(value))


class Gate:
    """Stand for the module `tensorrt` of one release."""

    def __init__(self, rtx, folder, version, *, gpu=True):
        found = sorted(folder.glob(f"api-{version}*.json.gz"))
        if not found:
            pytest.skip(f"no record of TensorRT {version} in {folder}")
        self.record = json.loads(gzip.decompress(found[0].read_bytes()))
        self.__version__ = found[0].name.removeprefix("api-").removesuffix(".json.gz")
        self.network_flags, self.builder_flags, self.cleared_flags = [], set(), set()
        self.configs = []
        """RTX' own, in which everything else can be looked up."""
        self._rtx, self._gpu = rtx, gpu

    def __getattr__(self, name):
        if name not in self.record:
            raise AttributeError(f"TensorRT {self.__version__} has no {name}")
        entry = self.record[name]
        if isinstance(entry, dict) and "enum" in entry:
            return Enum(self.__version__, name, entry["enum"])
        real = getattr(self._rtx, name)
        return real if name in BASES else self.call(real)

    def call(self, function):
        def called(*args, **kwargs):
            with warnings.catch_warnings():  # RTX times nothing, and says so wherever a timing cache is named
                warnings.simplefilter("ignore", DeprecationWarning)
                return self.wrap(function(*map(self.unwrap, args), **{k: self.unwrap(v) for k, v in kwargs.items()}))

        return called

    def wrap(self, value):
        name = type(value).__name__
        known = type(value).__module__.startswith("tensorrt") and name in self.record
        if not known or "enum" in self.record[name] or name in {"Dims", "IHostMemory"}:  # a buffer, a sequence
            return value
        return GatedObject(self, value)

    def unwrap(self, value):
        if isinstance(value, Member):
            return getattr(getattr(self._rtx, value.enum), value.name)
        return value._real if isinstance(value, GatedObject) else value

    def _decode(self, enum, number):
        names = {name for name, bit in self.record[enum]["enum"].items() if number >> bit & 1}
        known = sum(1 << bit for bit in set(self.record[enum]["enum"].values()))
        if number & ~known:
            raise GateError(f"{number:#b} holds bits that are not in {enum} of TensorRT {self.__version__}")
        return names

    def _Builder_create_network(self, real, flags=0):  # noqa: N802
        names = self._decode("NetworkDefinitionCreationFlag", flags)
        self.network_flags.append(names)
        if TYPED in self.record["NetworkDefinitionCreationFlag"]["enum"] and TYPED not in names:
            raise GateError(f"{flags:#b} makes a network of TensorRT {self.__version__} that is {sorted(names)}")
        return self.wrap(real.create_network(1 << int(self._rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED)))

    def _Builder_create_builder_config(self, real):  # noqa: N802
        config = real.create_builder_config()
        self.configs.append(config)
        if not self._gpu:  # build for the GPU that is here: TensorRT's way, and RTX's when it is told so
            config.num_compute_capabilities = 1
            config.set_compute_capability(self._rtx.ComputeCapability.CURRENT, 0)
        return self.wrap(config)

    def _IBuilderConfig_set_flag(self, real, flag):  # noqa: N802
        if not isinstance(flag, Member):
            raise TypeError(f"set_flag(): incompatible function arguments: {flag!r} is not a BuilderFlag")
        self.builder_flags.add(flag.name)
        if hasattr(self._rtx.BuilderFlag, flag.name):
            real.set_flag(self.unwrap(flag))

    def _IBuilderConfig_clear_flag(self, real, flag):  # noqa: N802
        self.cleared_flags.add(flag.name)
        real.clear_flag(self.unwrap(flag))
