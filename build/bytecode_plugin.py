"""Nuitka plugin: only chat_app is compiled to C, what others wrote stays bytecode, and libraries lose their symbols.

Nothing of theirs is hot, their hot parts being C already, and a build takes a minute instead of six.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nuitka.plugins.PluginBase import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    NuitkaPluginBase,
)

sys.path.append(str(Path(__file__).parent))
import symbols


class BytecodePlugin(NuitkaPluginBase):  # type: ignore[misc, no-any-unimported, unused-ignore]
    """Asked by Nuitka about every module."""

    plugin_name = "bytecode-for-third-party"

    def decideCompilation(self, module_name: Any) -> str:  # noqa: N802
        """The name is Nuitka's; so is the answer."""
        return "compiled" if str(module_name).partition(".")[0] in ("__main__", "chat_app") else "bytecode"

    def onStandaloneDistributionFinished(self, dist_dir: str) -> None:  # noqa: N802
        """Called before the folder is packed into one file."""
        for path in Path(dist_dir).rglob("*.so*"):
            if symbols.may_go(path):
                symbols.strip(path)
