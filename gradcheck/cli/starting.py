"""The commands for the first minutes and for trouble, as one types them."""

from __future__ import annotations


def init(*target: str) -> int:
    """Set gradcheck up in a project: [tool.gradcheck] in pyproject.toml, and an example gate.

    Parameters
    ----------
    target
        The modules or files that hold gates; without them they are looked for.
    """
    from gradcheck.cli.init import init as work

    return work(target)


def doctor() -> int:
    """Say what gradcheck runs on: versions, BLAS, settings and where each came from."""
    from gradcheck.cli.doctor import doctor as work

    return work()
