"""Engines by name, each with everything that builds it again.

    HOME/engines/NAME        -> .versions/NAME/0003-9f2c41d8    replaced by a rename, so a name always has one engine
    HOME/engines/.default    -> NAME
    HOME/engines/.versions/NAME/0003-9f2c41d8/
        NAME.tflite, NAME.json        the engine and its manifest; the engine's file is the one that the manifest names
        source/recipe.json            how it was built, with the SHA-256 of what lies beside it
        source/MODEL.onnx             the network it was built from
        source/calibration.png, verification.png    some of the pictures, as they went into the compiler
    HOME/engines/.staging/   what is being built, imported or removed just now
    HOME/engines/.rejected/NAME/      the last build that failed verification

A version never changes once it has its place. A reader of one holds a shared lock on its folder, and versions that
were replaced are removed once they are not locked (docs/decisions/0030).
"""

from mnv2_engines.store.folder import Staging, Store
from mnv2_engines.store.version import Version

__all__ = ["Staging", "Store", "Version"]
