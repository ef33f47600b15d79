"""What is printed: outside text as plain text, on streams that never stop the work."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
# as csrc/controller/terminal_text.h writes them
_ESCAPES = {code: "".join(f"\\x{byte:02x}" for byte in chr(code).encode()) for code in _CONTROLS}
_ESCAPES_BUT_LINES = {code: text for code, text in _ESCAPES.items() if code != ord("\n")}


def terminal_text(text: str, *, lines: bool = False) -> str:
    r"""Return the text with control characters as `\x1b`; `lines` keeps the ends of lines."""
    return text.translate(_ESCAPES_BUT_LINES if lines else _ESCAPES)


class _Nowhere(io.TextIOBase):
    """Stands for a stream that the process was started without."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)


class Output:
    """A text stream that raises nothing: characters that it cannot encode are written as escapes.

    Text that cannot be written at all (a closed pipe, a full disk, no stream) is dropped; `lost` is
    then the reason. Everything else is the stream's own.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = cast(TextIO, _Nowhere()) if stream is None else stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write the text, or drop it."""
        with self._dropping():
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of the texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand what was written to the operating system, or drop it."""
        with self._dropping():
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person sees what is written."""
        return not self._stream.closed and self._stream.isatty()

    def end(self) -> None:
        """Flush; a stream with text that cannot be written forgets it, or Python's exit fails."""
        self.flush()
        if self.lost is not None:
            with contextlib.suppress(OSError, ValueError):
                _to_nowhere(self._stream.fileno())
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.lost = error
        except ValueError:  # the program closed it
            self.lost = OSError("it is closed")


@contextlib.contextmanager
def output_that_never_raises() -> Iterator[None]:
    """Make stdout and stderr an `Output` each; at the end say on stderr that stdout was lost.

    A reader that closes its pipe (`| head`) has what it wants: nothing is said of that.
    """
    for number in range(3):  # else the next file that is opened would be stdout
        try:
            os.fstat(number)
        except OSError:
            _to_nowhere(number)
    out, err = Output(sys.stdout), Output(sys.stderr)
    with (
        contextlib.redirect_stdout(cast(TextIO, out)),
        contextlib.redirect_stderr(cast(TextIO, err)),
    ):
        try:
            yield
        finally:
            out.end()
            if out.lost is not None and not isinstance(out.lost, ConnectionError):
                err.write(
                    f"td7: error: stdout cannot be written: {out.lost.strerror or out.lost}\n"
                )
            err.end()


def say(text: str) -> None:
    """Print one line of text."""
    print(terminal_text(text), flush=True)


def stdout_is_lost() -> bool:
    """Whether lines could not be written to stdout, but for a reader that has closed its pipe."""
    sys.stdout.flush()
    lost = getattr(sys.stdout, "lost", None)
    return lost is not None and not isinstance(lost, ConnectionError)


def plain_console() -> Console:
    """Return a rich console on stdout that takes texts as they are and never raises."""
    from rich.console import Console

    return Console(
        file=cast(TextIO, Output(sys.stdout)),
        soft_wrap=True,
        markup=False,
        emoji=False,
        highlight=False,
    )


def _to_nowhere(number: int) -> None:
    """Let a file descriptor write to the null device."""
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
