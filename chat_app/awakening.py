"""Opening a mind in the background, so that the person is greeted before a hundred megabytes are read."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from chat_app import places
from chat_app.chat import Chat
from chat_app.engine import Engine
from chat_app.mind import Mind, open_mind


class Awakening:
    """Starts at once. `mind` and `chat` wait for their part and raise what went wrong on the way."""

    def __init__(self, path: Path, asked: Mapping[str, str] = MappingProxyType({})) -> None:
        self._path, self._asked = path, asked
        self._mind: Mind | None = None
        self._chat: Chat | None = None
        self._error: Exception | None = None
        self.share = 0.0
        """Of the weights, how much has been read."""
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="awakening", daemon=True)
        self._thread.start()

    @property
    def succeeded(self) -> bool:
        """Whether the mind is awake."""
        return self._chat is not None

    def ready(self, seconds: float) -> bool:
        """Wait no longer than so many seconds; whether the mind is awake, or has failed to wake."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def mind(self) -> Mind:
        """The opened mind; its weights may still be on their way."""
        self._opened.wait()
        if self._mind is None:
            raise self._error or RuntimeError("the mind was not opened")
        return self._mind

    def chat(self) -> Chat:
        """The mind, ready to talk."""
        self._thread.join()
        if self._chat is None:
            raise self._error or RuntimeError("the mind did not wake")
        return self._chat

    def _progress(self, share: float) -> None:
        self.share = share

    def _run(self) -> None:
        try:
            self._mind = open_mind(self._path)
            self._opened.set()
            engine = Engine.with_mind(self._mind, self._progress)
            chat = Chat(self._mind, engine, places.conversations(), self._asked)
            chat.engine.warm_up()  # the person is still typing
            self._chat = chat
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread that waits must raise it
            self._error = error
        finally:
            self._opened.set()
