"""The screen: a prompt with a toolbar below it, and above them the scrollback of the terminal itself, into which lines
are written without disturbing what is being typed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.clipboard import InMemoryClipboard
from prompt_toolkit.completion import Completer, ConditionalCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import AnyContainer, BufferControl, Dimension, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput, ConditionalProcessor, PasswordProcessor
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.widgets import SearchToolbar

from app.client.languages.catalogue import Catalogue
from app.client.terminal.drawing import HeldOutput, PromptApplication, cut, size
from app.client.terminal.view import InputCallbacks
from app.client.terminal.wrapping import wrapped

REFRESH_DELAY = 0.05
"""Seconds for which lines are collected, so that the prompt is drawn again once for all of them."""
MAX_PROMPT_LINES = 8


class Screen:
    """A View of a terminal that has a cursor to move."""

    has_field = True

    def __init__(
        self,
        callbacks: InputCallbacks,
        catalogue: Catalogue,
        *,
        prompt: Callable[[], str],
        toolbar: Callable[[], str],
        completer: Completer,
        history: History,
        colour: bool,
    ) -> None:
        self._callbacks, self._catalogue, self._prompt, self._toolbar = callbacks, catalogue, prompt, toolbar
        self._lines: list[str] = []
        self._bell = False
        self._flush_handle: asyncio.Handle | None = None
        self._ended = False
        self._putting_back = False
        self._pasted: str | None = None
        """Pasted lines, until it is decided what to do with them."""
        self._output = HeldOutput(sys.stdout, size, term=os.environ.get("TERM"), enable_cpr=False)
        self.buffer = Buffer(
            completer=ConditionalCompleter(completer, Condition(callbacks.is_chatting)),
            history=history,
            multiline=True,
            on_text_changed=self._text_changed,
            complete_while_typing=False,
        )
        search_prompt = catalogue.text("prompt.search") + " "
        search = SearchToolbar(forward_search_prompt=search_prompt, backward_search_prompt=search_prompt)
        input_ = BufferControl(
            self.buffer,
            input_processors=[
                ConditionalProcessor(PasswordProcessor(), Condition(callbacks.is_hidden)),
                BeforeInput(lambda: [("", self._prompt_text())]),
            ],
            search_buffer_control=search.control,
        )
        rows: list[AnyContainer] = [
            Window(input_, wrap_lines=True, dont_extend_height=True, height=Dimension(min=1, max=MAX_PROMPT_LINES)),
            search,
            Window(FormattedTextControl(self._toolbar_text), height=1, dont_extend_height=True),
        ]
        self._application: PromptApplication = PromptApplication(
            Layout(HSplit(rows)),
            key_bindings=self._keys(),
            output=self._output,
            color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
            erase_when_done=True,
            after_render=lambda _: self._drawn.set(),
        )
        self._drawn = asyncio.Event()

    def show(self, lines: Iterable[str], *, bell: bool = False) -> None:
        """Write lines above the prompt, together with those that come soon."""
        self._lines.extend(lines)
        self._bell |= bell
        if self._ended:
            self._flush()
        else:
            self._flush_soon()

    def refresh(self) -> None:
        """Draw the prompt and the toolbar again, together with lines that come soon."""
        self._flush_soon()

    def put_back(self, text: str) -> bool:
        """Put text into the field. False if there is something in it, or something else is asked."""
        busy = self._pasted is not None or self._ended or self._application.layout.is_searching
        if self.buffer.text or busy or not self._callbacks.is_chatting():
            return False
        self._putting_back = True
        self.buffer.document = Document(text, len(text))
        self._putting_back = False
        self._flush_soon()
        return True

    def draft(self) -> str:
        """What is in the field, unless it is hidden."""
        return "" if self._callbacks.is_hidden() else self.buffer.text

    def _flush_soon(self) -> None:
        if self._flush_handle is None and self._application.is_running:
            self._flush_handle = asyncio.get_running_loop().call_later(REFRESH_DELAY, self._flush)

    def end(self, code: int) -> None:
        """Let `run` return `code`."""
        if self._application.is_running and not self._application.is_done:
            self._flush()
            self._application.exit(result=code)

    async def ready(self) -> None:
        """Wait until the prompt is drawn."""
        await self._drawn.wait()

    async def run(self) -> int:
        """Show and read until `end`, and return the exit code."""
        self._application.columns = self._output.get_size().columns
        code = await self._application.run_async(pre_run=self._begin, set_exception_handler=False)
        self._ended = True
        self._flush()
        return code

    def _begin(self) -> None:
        if self._lines:
            self._flush_handle = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Erase the prompt, write the lines that wait, and draw the prompt again, all at once."""
        self._flush_handle = None
        if not self._lines:
            self._application.invalidate()
            return
        columns = self._output.get_size().columns
        text = "".join(f"{row}\r\n" for line in self._lines for row in wrapped(line, columns))
        self._lines = []
        drawn = self._application.is_running and not self._application.is_done
        self._output.held = True
        if drawn:
            self._application.renderer.erase(leave_alternate_screen=False)
        self._output.write_raw(text)
        if self._bell:
            self._output.bell()
            self._bell = False
        if drawn:
            self._application.render_counter += 1  # formatted text is cached for one rendering
            self._application.renderer.render(self._application, self._application.layout)
        self._output.held = False
        self._output.flush()

    def _toolbar_text(self) -> StyleAndTextTuples:
        """The toolbar, or the candidates while something is completed. It ends before the last column and has no
        background: a line that fills the screen would become two on a narrower one."""
        width = max(1, self._output.get_size().columns - 1)
        state = self.buffer.complete_state
        if state is None:
            return [("bold", cut(self._toolbar(), width))]
        shown = [(index, one.display_text) for index, one in enumerate(state.completions)]
        first = max(0, (state.complete_index or 0) - 3)
        text = "  ".join(f"[{name}]" if index == state.complete_index else name for index, name in shown[first:])
        return [("", cut(text, width))]

    def _prompt_text(self) -> str:
        if self._pasted is None:
            return self._prompt()
        return self._catalogue.text("prompt.paste", count=self._pasted.count("\n") + 1) + " "

    def _text_changed(self, buffer: Buffer) -> None:
        if buffer.text and not self._putting_back:
            self._callbacks.on_edit(buffer.text)

    # Keys.

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        asked = Condition(lambda: self._pasted is not None)
        searching = Condition(lambda: self._application.layout.is_searching)
        chatting = Condition(self._callbacks.is_chatting)
        empty = Condition(lambda: not self.buffer.text)
        for key in ("enter", "c-j"):
            keys.add(key, filter=~asked & ~searching)(self._enter)
        keys.add("up", filter=chatting & empty & ~asked & ~searching)(self._recall)
        for key in ("up", "down", "c-p", "c-n", "c-r", "c-s"):
            keys.add(key, filter=~chatting, eager=True)(lambda _: None)
        keys.add("escape", filter=Condition(self._callbacks.is_hidden), eager=True)(self._interrupt)
        keys.add("escape", "enter", filter=~asked)(lambda event: event.current_buffer.insert_text("\n"))
        keys.add("c-c", filter=~searching)(self._interrupt)
        keys.add(Keys.SIGINT)(self._interrupt)
        keys.add("c-d", filter=~asked & ~searching)(self._end_of_input)
        keys.add(Keys.BracketedPaste, filter=~asked)(self._paste)
        keys.add("c-l")(self._clear)
        for digit in "1234567890":
            keys.add("escape", digit, filter=~asked)(self._room_key)
        keys.add("c-z", eager=True)(lambda event: event.app.suspend_to_background())
        keys.add(Keys.Any, filter=asked, eager=True)(self._decide)
        keys.add("enter", filter=asked, eager=True)(self._decide)
        for key in ("c-c", "escape", Keys.SIGINT):
            keys.add(key, filter=asked, eager=True)(self._drop_paste)
        return keys

    def _enter(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        text = buffer.text
        buffer.reset(append_to_history=self._callbacks.is_chatting())
        if self._callbacks.is_hidden():
            self._application.clipboard = InMemoryClipboard()  # it may have parts of the password
        self._callbacks.on_line(text)

    def _recall(self, event: KeyPressEvent) -> None:
        """Bring back what should be looked at first, or else the last line that was typed."""
        if text := self._callbacks.recall():
            self.buffer.document = Document(text, len(text))
        else:
            self.buffer.auto_up(event.arg)

    def _interrupt(self, _: KeyPressEvent) -> None:
        """Give up a question, drop what is typed, or end the program if there is nothing."""
        if self._callbacks.on_cancel() or self.buffer.text:
            self.buffer.reset()
        else:
            self._callbacks.on_exit(130)

    def _end_of_input(self, _: KeyPressEvent) -> None:
        if self.buffer.text:
            self.buffer.delete()
        elif not self._callbacks.on_cancel():
            self._callbacks.on_exit(0)

    def _clear(self, event: KeyPressEvent) -> None:
        event.app.renderer.clear()

    def _room_key(self, event: KeyPressEvent) -> None:
        self._callbacks.on_room_key(int(event.key_sequence[-1].key) or 10)

    def _paste(self, event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        if not self._callbacks.is_chatting():
            text = text.lstrip("\n").partition("\n")[0]
        if "\n" not in text.rstrip("\n"):
            event.current_buffer.insert_text(text.rstrip("\n"))
            return
        self._pasted = text.rstrip("\n")

    def _drop_paste(self, _: KeyPressEvent) -> None:
        self._pasted = None

    def _decide(self, event: KeyPressEvent) -> None:
        """Do with the pasted lines what the key says. They are inserted at the cursor."""
        assert self._pasted is not None
        answer, pasted = event.data.lower(), self._pasted
        before, after = self.buffer.document.text_before_cursor, self.buffer.document.text_after_cursor
        if answer not in ("y", "l", "e", "n"):
            return
        self._pasted = None
        if answer == "n":
            return
        self.buffer.document = Document(before + pasted + after, len(before + pasted))
        if answer == "e":
            return
        text = self.buffer.text
        self.buffer.reset(append_to_history=True)
        for line in [text] if answer == "y" else text.split("\n"):
            self._callbacks.on_line(line)
