"""The documentation site in headless Chromium. Skipped if Chromium or mkdocs-material is not installed."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.docs.browser import CHROMIUM, Browser

ROOT = Path(__file__).parents[2]
IN_VENV = ROOT / ".venv-site" / "bin" / "mkdocs"
MKDOCS = str(IN_VENV) if IN_VENV.exists() else shutil.which("mkdocs")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(MKDOCS is None, reason="mkdocs is not installed: run `make site` once"),
]

DESKTOP, PHONE = (1280, 900), (390, 844)
TABS = ["Home", "Tutorial", "How-to guides", "Reference", "Explanation", "Project"]
LIGHT = "rgb(255, 255, 255)"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site on loopback: its URL, and the paths of its pages."""
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "AUTHD_PYTHON": sys.executable, "NO_MKDOCS_2_WARNING": "1"}
    command = [MKDOCS, "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    places = re.findall(r"<loc>https://[^/]+/([^<]*)</loc>", (folder / "sitemap.xml").read_text())
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/", pages=places)
    server.shutdown()
    server.server_close()


@pytest.fixture
def browser(site, tmp_path):
    """A browser with a new profile. Fails if there was an error or a request to another host."""
    with Browser(tmp_path / "profile") as opened:
        yield opened
        assert opened.errors == []
        assert [url for url in opened.requests if not url.startswith((site.url, "data:"))] == []


def test_each_page_on_a_phone(site, browser):
    """On a phone no page scrolls sideways, wide tables scroll in their boxes, and pictures load and have alt texts."""
    browser.size(*PHONE, phone=True)
    assert len(site.pages) > 30
    for page in site.pages:
        browser.open(site.url + page)
        width = browser.run("document.documentElement.scrollWidth")
        assert width <= PHONE[0], page
        assert browser.run(
            "[...document.querySelectorAll('article table')].every(t => t.closest('.md-typeset__scrollwrap'))"
        ), page
        pictures = browser.run("[...document.images].map(i => [i.src, i.complete && i.naturalWidth, i.alt])")
        assert [picture for picture in pictures if not (picture[1] and picture[2])] == [], page


def test_search(site, browser):
    """A query in the search field lists pages, and the first result links to its page."""
    browser.size(*DESKTOP)
    browser.open(site.url)
    browser.run("document.querySelector('input.md-search__input').focus()")
    browser.call("Input.insertText", text="identity_not_mapped")
    found = browser.wait_for(
        "[...document.querySelectorAll('.md-search-result__item > a, .md-search-result__item article a, "
        ".md-search-result__link')].map(a => a.href).filter(h => h.includes('reasons'))[0]"
    )
    browser.open(found)
    assert browser.run("document.querySelector('h1').innerText").startswith("Reasons")


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark(site, browser, dark):
    """The site and its pictures use the system's colour scheme."""
    browser.size(*DESKTOP, dark=dark)
    browser.open(f"{site.url}how-it-works/")
    assert (browser.run(BACKGROUND) == LIGHT) is not dark
    # Chromium gives a picture the colour scheme of the element that shows it.
    scheme = browser.run("getComputedStyle(document.querySelector('article img')).colorScheme")
    assert ("dark" in scheme) is dark


def test_toggle(site, browser):
    """The button switches between the system's colour scheme, light and dark."""
    browser.size(*DESKTOP)
    browser.open(site.url)
    backgrounds = []
    for _ in range(3):
        backgrounds.append(browser.run(BACKGROUND))
        browser.run("document.querySelector('label.md-header__button[for^=__palette]:not([hidden])').click()")
    assert backgrounds[:2] == [LIGHT, LIGHT]
    assert backgrounds[2] != LIGHT


def test_navigation(site, browser):
    """The tabs are ordered as tutorial, how-to guides, reference, explanation."""
    browser.size(*DESKTOP)
    browser.open(site.url)
    assert browser.run("[...document.querySelectorAll('.md-tabs__link')].map(a => a.innerText.trim())") == TABS


def test_copy_buttons(site, browser):
    """Every block of code has a button that copies it."""
    browser.size(*DESKTOP)
    browser.open(f"{site.url}guides/kubeadm/")
    browser.wait_for("document.querySelectorAll('article pre').length")
    missing = "[...document.querySelectorAll('article pre > code')].filter(c => !c.parentElement.querySelector('.md-clipboard, .md-code__button')).length"
    assert browser.run(missing) == 0


def test_code_in_lists(site, browser):
    """Commands below a numbered step are code blocks with their line breaks."""
    browser.size(*DESKTOP)
    browser.open(f"{site.url}guides/systemd/")
    blocks = browser.run("[...document.querySelectorAll('article ol > li pre')].map(p => p.innerText)")
    assert len(blocks) == 5
    assert "\nclusterID: my-cluster" in blocks[1]


def test_landing_page(site, browser):
    """The landing page begins with the product's purpose, and plays the recorded demo."""
    browser.size(*DESKTOP)
    browser.open(site.url)
    assert browser.run("document.querySelector('h1').innerText").startswith("Log in to Kubernetes with AWS IAM")
    assert browser.run("[...document.images].some(i => i.src.endsWith('demo.svg') && i.naturalWidth > 0)")
