"""The errors of models and engines.

    EnginesError
    ├── ModelError               a model file that cannot be read or compiled   (ValueError)
    │   └── UnsupportedOperatorError  names the operator and the node
    ├── EngineError              an engine file that must not run               (ValueError)
    │   ├── CorruptEngineError   its bytes are not the ones that were verified
    │   ├── StaleEngineError     built for another device or runtime
    │   │   └── UnbuiltEngineError  kept in a store with all that it takes to build it here, which was not done yet
    │   ├── UntestedEngineError  its first load was ended from outside: try again
    │   ├── UnknownEngineError   no engine of that name is in the store
    │   ├── UnknownFormatError   no installed package reads its format
    │   ├── ArchiveError         an exported engine that is damaged, or not an export
    │   └── SignatureError       no trusted key has signed it, or a key cannot be used
    ├── LabelsError              a label file that is unreadable or does not fit  (ValueError)
    ├── ContractError            preprocess or task options that make no sense    (ValueError)
    ├── CatalogueError           a catalogue of models that cannot be read        (ValueError)
    ├── DownloadError            a file cannot be fetched                         (OSError)
    ├── BackendUnavailableError  the library that runs the engine is not importable  (ImportError)
    ├── InferenceError           the runtime refused to run a loaded engine     (RuntimeError)
    ├── BuildError               an engine could not be built                   (RuntimeError)
    │   ├── PlaceClosedError     because this user may not write where it is to go  (PermissionError)
    │   ├── PlaceFailedError     because the disk there is full, read-only or failing  (DiskError)
    │   ├── MemoryShortageError  for want of memory, which another time may be there
    │   └── VerificationError    it was built and lost too much
    ├── DiskError                a disk that is full, read-only or failing
    └── StoreError               the store of engines and models cannot be read or written   (OSError)
        └── StoreAccessError     by this user                                   (PermissionError)

Each message holds the value, what was expected and the next command to type.
"""

__all__ = [
    "ArchiveError",
    "BackendUnavailableError",
    "BuildError",
    "CatalogueError",
    "ContractError",
    "CorruptEngineError",
    "DiskError",
    "DownloadError",
    "EngineError",
    "EnginesError",
    "InferenceError",
    "LabelsError",
    "MemoryShortageError",
    "ModelError",
    "PlaceClosedError",
    "PlaceFailedError",
    "SignatureError",
    "StaleEngineError",
    "StoreAccessError",
    "StoreError",
    "UnbuiltEngineError",
    "UnknownEngineError",
    "UnknownFormatError",
    "UnsupportedOperatorError",
    "UntestedEngineError",
    "VerificationError",
]


class EnginesError(Exception):
    """Root of every error that mnv2_engines raises on purpose."""


class ModelError(EnginesError, ValueError):
    """A model file that cannot be read or compiled."""


class UnsupportedOperatorError(ModelError):
    """An operator that the compiler does not know; the message names its node."""


class EngineError(EnginesError, ValueError):
    """An engine file that must not be run: `what` is wrong, and how to `mend` it, if that is known."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(f"{what}: {mend}" if mend else what)
        self.what = what
        self.mend = mend


class CorruptEngineError(EngineError):
    """An engine whose bytes are not the ones that were verified."""


class StaleEngineError(EngineError):
    """An engine that was built for another device or runtime."""


class UnbuiltEngineError(StaleEngineError):
    """A stored engine that has to be built on this device first."""


class UntestedEngineError(EngineError):
    """An engine that could not be tested for a reason outside it; another attempt may succeed."""


class UnknownEngineError(EngineError):
    """An engine name that is not in the store; the message lists the names that are."""


class UnknownFormatError(EngineError):
    """An engine format that no installed package reads, or whose package cannot be used; the message says why."""


class ArchiveError(EngineError):
    """An exported engine that cannot be read."""


class SignatureError(EngineError):
    """An engine that no trusted key has signed, or a key that cannot be used."""


class LabelsError(EnginesError, ValueError):
    """A label file that is unreadable or does not fit the network."""


class ContractError(EnginesError, ValueError):
    """Preprocess or task options that contradict each other or the network."""


class CatalogueError(EnginesError, ValueError):
    """A mistake in a catalogue of models, and its position."""


class DownloadError(EnginesError, OSError):
    """A file that cannot be fetched from the network or from a mirror."""


class BackendUnavailableError(EnginesError, ImportError):
    """A library that is missing; the message says how to install it."""


class InferenceError(EnginesError, RuntimeError):
    """A loaded engine that the runtime refuses to run."""


class DiskError(EnginesError):
    """A disk that is full, read-only or failing; another attempt may work.

    Not an OSError: who expects one there says what is wrong with a file, and this is about what the file lies on.
    """


class BuildError(EnginesError, RuntimeError):
    """An engine that could not be built."""


class PlaceClosedError(BuildError, PermissionError):
    """A place for an engine or a model that this user may not write to."""


class PlaceFailedError(BuildError, DiskError):
    """A place for an engine or a model on a disk that is full, read-only or failing."""


class MemoryShortageError(BuildError):
    """Too little memory to build an engine now."""


class VerificationError(BuildError):
    """An engine that was built and lost too much accuracy to be installed."""


class StoreError(EnginesError, OSError):
    """A store of engines and models that cannot be read or written."""


class StoreAccessError(StoreError, PermissionError):
    """A store that this user may not read or write."""
