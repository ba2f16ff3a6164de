"""The Chromium of the browser tests: the system's, else playwright's own; run as a program, it installs one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_WAYS = (
    [sys.executable, "-m", "playwright", "install", "chromium"],
    ["apt-get", "update", "-qq"],
    ["apt-get", "install", "-y", "-qq", "chromium"],
)


def find() -> str | None:
    """Return the path of a Chromium that is installed, or None."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found:
        return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> str | None:
    """Install a Chromium, playwright's own where it can be had, else the distribution's; return its path."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in _WAYS:
        if shutil.which(command[0]):
            subprocess.run(command, check=False, env=environment, stdout=sys.stderr, timeout=900)
        if path := find():
            return path
    return None


if __name__ == "__main__":
    path = find() or install()
    print(
        f"browser tests use {path}"
        if path
        else "no Chromium, and none could be installed: install one by hand"
    )
    sys.exit(0 if path else 1)
