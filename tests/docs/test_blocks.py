"""Every block of every page does what the page says."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import blocks

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md") if "_build" not in p.parts)

OTHERS = ("torch", "jax", "autograd", "mygrad")
"""What a page's blocks may import that is an extra: without it the page is skipped."""


def missing(page, installed=find_spec):
    imported = {m[1] for m in re.finditer(r"^(?:import|from) (\w+)", page, re.MULTILINE)}
    return [name for name in OTHERS if name in imported and installed(name) is None]


def test_what_a_page_needs_is_seen():
    page = "```python\nimport torch.nn\nfrom jax import grad\n\nimport numpy, autograd\n```\n"
    assert missing(page, lambda name: None) == ["torch", "jax"]
    assert missing(page, lambda name: name) == []


def test_there_are_pages():
    assert len(PAGES) > 15


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    text = (DOCS / page).read_text(encoding="utf-8")
    if absent := missing(text):
        pytest.skip(f"not installed: {', '.join(absent)}")
    blocks.run(text, folder)


FILE = "```{code-block} python\n:caption: small.py\n\nprint('seven', 7)\n```\n"


def test_a_right_page_passes(tmp_path):
    page = FILE + "```console\n$ python small.py\nseven 7\n$ false\n$ echo $?\n1\n```\n"
    page = page.replace("$ false\n", "$ ls missing\n...missing...\n").replace("\n1\n", "\n2\n")
    blocks.run(page, tmp_path)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("```python\nraise ValueError('a wrong script')\n```", "a wrong script"),
        ("```python\na = 1\n```\n\n```python\nprint(a)\n```", "line 6: .*NameError"),
        (FILE + "```console\n$ python small.py\nseven 8\n```", "seven 7"),
        (FILE + "```console\n$ python small.py\nseven ... 8\n```", "seven 7"),
        ("```console\n$ python missing.py\n```", "exit code 2"),
        ("```console\nno command\n```", "begins with a command"),
        ("```toml\n[tool.gradcheck]\n```", "nothing checks a block of toml"),
        ("```\nanything\n```", "nothing checks a block of no language"),
        (
            "```{code-block} yaml\n:caption: ci.yml\n\n- run: gradcheck run missing.py\n```",
            "missing.py",
        ),
        ("1. First:\n\n   ```console\n   $ false\n   ```", "exit code 1"),
    ],
)
def test_a_wrong_block_is_found(page, said, tmp_path):
    with pytest.raises(blocks.Wrong, match=said):
        blocks.run(page, tmp_path)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("3 passed in 0.1 s", "3 passed in 12.5 s", True),
        ("3 passed in 0.1 s", "2 passed in 0.1 s", False),
        ("1.5 ± 3e-13 (h)", "1.5 ± 2e-12 (h)", True),
        ("1.5 ± 3e-13 (h)", "1.25 ± 3e-13 (h)", False),
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("a\n...\nd", "a\nb\nc", False),
        ("a\n...", "a", True),
        ("name ... FAIL", "name 1 FAIL", True),
        ("name ... FAIL", "name 1 pass", False),
    ],
)
def test_what_counts_as_the_same(shown, printed, same):
    assert blocks.agrees(shown, printed) is same


def test_pages_are_brought_up_to_date(tmp_path):
    page = FILE + "```console\n$ python small.py\nseven 8\n```\n"
    new = blocks.updated(page, tmp_path)
    assert new == page.replace("seven 8", "seven 7")
    blocks.run(new, tmp_path)
