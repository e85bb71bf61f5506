"""Give libcamera's virtual cameras to every Python that the program under test starts, where it is asked to."""

import os

if os.environ.get("VIRTUAL_PI"):
    import virtual_pi

    virtual_pi.prepare()
