"""The scores of `gradcheck selftest` as one page: the reference ops, and ops with weak inputs.

gradcheck selftest --json scores.json                         # or one file per module, in parallel
gradcheck selftest benchmarks/weak_ops.py --json weak.json    # exits with 1: that is the point
python benchmarks/kill_scores.py scores.json weak.json > reports/selftest.md    # the weak ones last
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from gradcheck.reporters.scores import caught, markdown, totals, traps
from gradcheck.scores import Scores

HEAD = """# Planted mistakes

Each op's backward is broken in every way that applies, and checked as ever. *Equivalent* ones are
no mistakes: no case, beyond the declared inputs too, tells them from the right backward. Written by
`benchmarks/kill_scores.py`, which says how.
"""


def page(reference: Scores, weak: Scores) -> str:
    """Both tables, with the totals below."""
    parts = [HEAD]
    for title, scores in (("The reference ops", reference), ("Weak on purpose", weak)):
        parts.append(markdown(title, scores.scores))
        parts += [f"{line}\n" for line in (totals(scores), caught(scores.scores), *traps(scores))]
    return "\n".join(parts)


def joined(files: list[str]) -> Scores:
    """The scores of several runs as one."""
    parts = [msgspec.json.decode(Path(name).read_bytes(), type=Scores) for name in files]
    return msgspec.structs.replace(
        parts[0],
        scores=[score for part in parts for score in part.scores],
        errors=[error for part in parts for error in part.errors],
        interrupted=any(part.interrupted for part in parts),
        seconds=sum(part.seconds for part in parts),
    )


def main() -> None:
    *reference, weak = sys.argv[1:]
    sys.stdout.write(page(joined(reference), joined([weak])))


if __name__ == "__main__":
    main()
