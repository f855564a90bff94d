"""What pyproject.toml cannot say by itself: the addresses, from the one place that holds them."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


def urls(config: str) -> dict:
    """The project's addresses, of the text of _config.yml; none where it names no repository."""
    line = r"^repository:\n(?:[ #].*\n)*?  url: *[\"']?(https://[^\s\"'#]+)"
    found = re.search(line, config, re.M)
    if not found:
        return {}
    return {
        "Repository": found[1],
        "Issues": f"{found[1]}/issues",
        "Changelog": f"{found[1]}/blob/main/CHANGELOG.md",
    }


class Addresses(MetadataHookInterface):
    def update(self, metadata):
        path = Path(self.root) / "_config.yml"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        metadata["urls"] = urls(text)
