"""Name everything that can go wrong with a model or an engine.

    EnginesError
    ├── ModelError               a model file that cannot be read or compiled   (ValueError)
    │   └── UnsupportedOperatorError  names the operator and the node
    ├── EngineError              an engine file that must not run               (ValueError)
    │   ├── CorruptEngineError   its bytes are not the ones that were verified
    │   └── StaleEngineError     built for another device or runtime
    ├── LabelsError              a label file that is unreadable or does not fit  (ValueError)
    ├── ContractError            preprocess or task options that make no sense    (ValueError)
    ├── BackendUnavailableError  the library that runs the engine is not importable  (ImportError)
    ├── InferenceError           the runtime refused to run a loaded engine     (RuntimeError)
    └── BuildError               an engine could not be built                   (RuntimeError)
        └── VerificationError    it was built and lost too much

Each message holds the value, what was expected and the next command to type.
"""

__all__ = [
    "BackendUnavailableError",
    "BuildError",
    "ContractError",
    "CorruptEngineError",
    "EngineError",
    "EnginesError",
    "InferenceError",
    "LabelsError",
    "ModelError",
    "StaleEngineError",
    "UnsupportedOperatorError",
    "VerificationError",
]


class EnginesError(Exception):
    """Be the root of every error that mnv2_engines raises on purpose."""


class ModelError(EnginesError, ValueError):
    """Say that a model file cannot be read or compiled."""


class UnsupportedOperatorError(ModelError):
    """Say which operator of which node the compiler does not know."""


class EngineError(EnginesError, ValueError):
    """Say that an engine file must not be run."""


class CorruptEngineError(EngineError):
    """Say that an engine's bytes are not the ones that were verified."""


class StaleEngineError(EngineError):
    """Say that an engine was built for another device or runtime."""


class LabelsError(EnginesError, ValueError):
    """Say that a label file is unreadable or does not fit the network."""


class ContractError(EnginesError, ValueError):
    """Say that preprocess or task options contradict themselves or the network."""


class BackendUnavailableError(EnginesError, ImportError):
    """Say which library is missing and how to install it."""


class InferenceError(EnginesError, RuntimeError):
    """Say that the runtime refused to run a loaded engine."""


class BuildError(EnginesError, RuntimeError):
    """Say that an engine could not be built."""


class VerificationError(BuildError):
    """Say that an engine was built and lost too much accuracy to be installed."""
