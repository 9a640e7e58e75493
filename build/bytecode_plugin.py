"""Nuitka plugin: only chat_app is compiled to C; what others wrote stays bytecode.

Nothing of theirs is hot, their hot parts being C already, and a build takes a minute instead of six.
"""

from __future__ import annotations

from typing import Any

from nuitka.plugins.PluginBase import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    NuitkaPluginBase,
)


class BytecodePlugin(NuitkaPluginBase):  # type: ignore[misc, no-any-unimported, unused-ignore]
    """Asked by Nuitka about every module."""

    plugin_name = "bytecode-for-third-party"

    def decideCompilation(self, module_name: Any) -> str:  # noqa: N802
        """The name is Nuitka's; so is the answer."""
        return "compiled" if str(module_name).partition(".")[0] in ("__main__", "chat_app") else "bytecode"
