"""What a result may depend on, beside the op: versions and the platform."""

from __future__ import annotations

import platform
import sys

import numpy as np


def environment() -> dict[str, str]:
    """Versions and platform, as a report keeps them."""
    from importlib.metadata import version

    return {
        "gradcheck": version("gradcheck"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "hypothesis": version("hypothesis"),
        "platform": f"{platform.system()} {platform.machine()}",
        "executable": sys.implementation.name,
    }
