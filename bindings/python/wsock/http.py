"""Headers, requests and responses of the opening handshake."""
from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, Mapping, MutableMapping, Tuple, Union, cast

__all__ = ["Headers", "HeadersLike", "MultipleValuesError", "Request", "Response"]


class MultipleValuesError(LookupError):
    """There are several headers of this name, and one was asked for."""

    def __str__(self) -> str:
        return repr(self.args[0]) if len(self.args) == 1 else super().__str__()


class Headers(MutableMapping[str, str]):
    """Header fields in their order; names are compared without regard to case, and one may stand there several times.

    As in `websockets`: setting a key adds a field, reading one that is there several times raises `MultipleValuesError`
    (`get_all` gives all of them), `raw_items` walks through everything.
    """

    __slots__ = ("_values", "_list")

    def __init__(self, *args: HeadersLike, **kwargs: str) -> None:
        self._values: Dict[str, List[str]] = {}
        self._list: List[Tuple[str, str]] = []
        self.update(*args, **kwargs)

    def __str__(self) -> str:
        return "".join(f"{name}: {value}\r\n" for name, value in self._list) + "\r\n"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._list!r})"

    def copy(self) -> Headers:
        """A copy."""
        return Headers(self)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, key: str) -> str:
        values = self._values[key.lower()]
        if len(values) > 1:
            raise MultipleValuesError(key)
        return values[0]

    def __setitem__(self, key: str, value: str) -> None:
        self._values.setdefault(key.lower(), []).append(value)
        self._list.append((key, value))

    def __delitem__(self, key: str) -> None:
        low = key.lower()
        del self._values[low]
        self._list = [(name, value) for name, value in self._list if name.lower() != low]

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Headers) else NotImplemented

    def clear(self) -> None:
        """Removes all fields."""
        self._values.clear()
        self._list.clear()

    def update(self, *args: HeadersLike, **kwargs: str) -> None:  # type: ignore[override]
        """Adds fields of a mapping, of pairs, or of other headers."""
        for source in args:
            if isinstance(source, Headers):
                pairs: Iterable[Tuple[str, str]] = source.raw_items()
            else:
                pairs = cast(Iterable[Tuple[str, str]], source.items() if isinstance(source, Mapping) else source)
            for name, value in pairs:
                self[name] = value
        for name, value in kwargs.items():
            self[name] = value

    def get_all(self, key: str) -> List[str]:
        """All values of this name; none is an empty list."""
        return list(self._values.get(key.lower(), []))

    def raw_items(self) -> Iterator[Tuple[str, str]]:
        """All fields as pairs."""
        return iter(list(self._list))


HeadersLike = Union[Headers, Mapping[str, str], Iterable[Tuple[str, str]]]


class Request:
    """What a client asks for."""

    def __init__(self, path: str, headers: Headers, method: str = "GET") -> None:
        self.path = path
        self.headers = headers
        #: `GET` for every WebSocket.
        self.method = method

    def __repr__(self) -> str:
        return f"Request(path={self.path!r}, headers={self.headers!r}, method={self.method!r})"


class Response:
    """What a server answers."""

    def __init__(self, status_code: int, reason_phrase: str, headers: Headers, body: bytes = b"") -> None:
        self.status_code = status_code
        self.reason_phrase = reason_phrase
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Response({self.status_code!r}, {self.reason_phrase!r}, {self.headers!r}, {self.body!r})"

    @classmethod
    def of_text(cls, status: int, text: str) -> Response:
        """A plain text."""
        headers = Headers({"Content-Type": "text/plain; charset=utf-8"})
        return cls(int(status), phrase(int(status)), headers, text.encode())


def phrase(status: int) -> str:
    """What a status is called."""
    if status == 101:
        return "Switching Protocols"
    # Takes its time to import, and is not needed mostly.
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
