"""The commands for the first minutes and for trouble, as one types them."""

from __future__ import annotations


def init(*target: str) -> int:
    """Set gradcheck up in a project: [tool.gradcheck] in pyproject.toml.

    Gates are looked for in the sources; where there is none, an example gate and a test are
    written. No file is overwritten, and a second time there is nothing to do.

    Parameters
    ----------
    target
        The modules or files that hold gates; without them they are looked for.
    """
    from gradcheck.cli.init import init as work

    return work(target)


def doctor() -> int:
    """Say what gradcheck runs on: versions, BLAS, settings and where each came from.

    Loads the targets, and checks a right and a wrong gate. Exit code 1 where something is broken.
    """
    from gradcheck.cli.doctor import doctor as work

    return work()
