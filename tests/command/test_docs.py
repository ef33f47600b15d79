"""The pages in docs/ name files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("**/*.md"))
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
REPOSITORY_PATH = re.compile(r"`((?:python|csrc|tests|benchmarks)/[^`\s]*)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
URL = re.compile(r"[a-z]+:")


def missing_paths(text):
    """Return the repository paths in backticks that are neither a file nor a folder."""
    return [path for path in REPOSITORY_PATH.findall(text) if not (ROOT / path).exists()]


def broken_links(text, folder):
    """Return the relative Markdown links that lead to nothing from a page in `folder`."""
    links = [link.partition("#")[0] for link in LINK.findall(text) if not URL.match(link)]
    return [link for link in links if link and not (folder / link).exists()]


def test_there_are_pages():
    assert PAGES


@EVERY_PAGE
def test_every_repository_path_on_a_page_exists(page):
    assert missing_paths(page.read_text()) == []


@EVERY_PAGE
def test_every_relative_link_of_a_page_resolves(page):
    assert broken_links(page.read_text(), page.parent) == []


def test_a_missing_path_and_a_broken_link_are_found():
    text = "`python/td7/cli.py` `csrc/` `python/td7/none.py` `td7/none.py` [a](b.md) [c](#d)"
    assert missing_paths(text) == ["python/td7/none.py"]
    links = "[a](b.md) [c](#d) [e](../README.md#start) [f](https://arxiv.org/abs/2306.02451)"
    assert broken_links(text + links, ROOT / "docs") == ["b.md", "b.md"]
