"""As much of a Bitcoin node's JSON-RPC as stock `ots verify` asks for, from a directory of headers.

Spec: Bitcoin Core, `doc/JSON-RPC-interface.md`: getblockcount, getblockhash, and getblockheader
in its short form. Everybody who reaches it may ask: there is nothing here that is not public.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from translog.bitcoin.claims import check_height
from translog.bitcoin.header import Header, display_hash, parse_display_hash
from translog.errors import MalformedError, MissingError, TranslogError
from translog.formats.strict import shown
from translog.server.answers import JSON, NO_STORE, Answer, Receive, Scope, Send
from translog.server.deadline import Deadline
from translog.server.errors import problem
from translog.server.logs import LOGGER
from translog.server.receiving import Receiving
from translog.server.settings import Settings
from translog.verify.headers import KeptHeaders

MAX_REQUEST_BYTES = 256 << 10
MAX_CALLS = 1000

# Bitcoin Core's codes, src/rpc/protocol.h.
MISC = -1
NO_SUCH_BLOCK = -5
BAD_PARAMETER = -8
STARTING = -28
NO_SUCH_METHOD = -32601
BAD_REQUEST = -32600
NO_JSON = -32700

STATUS = {BAD_REQUEST: 400, NO_SUCH_METHOD: 404}  # else 500: as Bitcoin Core, and never 200


class RefusedError(Exception):
    """A call is answered with an error. Never leaves this module."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NodeApp:
    """An ASGI application over headers, which nobody else uses at the same time."""

    def __init__(self, headers: KeptHeaders, settings: Settings) -> None:
        self._headers = headers
        self._settings = settings
        self._receiving = Receiving(settings)
        self._reader = ThreadPoolExecutor(1, "headers")
        self._methods: dict[str, Callable[[list[Any]], object]] = {
            "getblockcount": self._count,
            "getblockhash": self._hash,
            "getblockheader": self._header,
        }

    def close(self) -> None:
        """Finish what was begun."""
        self._reader.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        answer = await self._answer(scope, receive)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            return Answer(405, b"", JSON, NO_STORE, (b"allow", b"POST"))
        try:
            with Deadline(self._settings.request_seconds):
                headers = dict(scope["headers"])
                body = await self._receiving.body(headers, receive, MAX_REQUEST_BYTES)
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._reader, self._answered, body)
        except TimeoutError:
            return Answer(408, b"", JSON, NO_STORE)
        except TranslogError as error:
            return problem(error)

    def _answered(self, body: bytes) -> Answer:
        try:
            request = orjson.loads(body)
        except ValueError:
            return _one(_refusal(None, RefusedError(NO_JSON, "Parse error")))
        if not isinstance(request, list):
            return _one(self._call(request))
        if len(request) > MAX_CALLS:
            return _one(_refusal(None, RefusedError(BAD_REQUEST, f"more than {MAX_CALLS} calls")))
        return Answer(200, orjson.dumps([self._call(each) for each in request]), JSON, NO_STORE)

    def _call(self, call: object) -> dict[str, object]:
        # An id comes back as it came, and what is nested deeper is read than written.
        if not isinstance(call, dict) or isinstance(call.get("id"), dict | list):
            return _refusal(None, RefusedError(BAD_REQUEST, "Invalid Request object"))
        try:
            name, params = call.get("method"), call.get("params", [])
            method = self._methods.get(name) if isinstance(name, str) else None
            if method is None:
                raise RefusedError(NO_SUCH_METHOD, "Method not found")
            if not isinstance(params, list):
                raise RefusedError(BAD_PARAMETER, f"params are {shown(params)}, want an array")
            return {"result": method(params), "error": None, "id": call.get("id")}
        except RefusedError as error:
            return _refusal(call.get("id"), error)
        except TranslogError as error:
            # Not the caller's fault: what is on the disk is not as it should be.
            LOGGER.error("headers cannot be read", extra={"fields": {"reason": str(error)}})
            return _refusal(call.get("id"), RefusedError(MISC, str(error)))

    def _count(self, params: list[Any]) -> int:
        _want(params, 0)
        try:
            return self._headers.tip()
        except MissingError as error:
            raise RefusedError(STARTING, str(error)) from error

    def _hash(self, params: list[Any]) -> str:
        (height,) = _want(params, 1)
        try:
            known = self._vouched(check_height(height, "height"))
        except (MalformedError, MissingError) as error:
            raise RefusedError(BAD_PARAMETER, "Block height out of range") from error
        return display_hash(known.hash)

    def _header(self, params: list[Any]) -> str:
        name, verbose = _want(params, 2)
        if verbose is not False:
            raise RefusedError(BAD_PARAMETER, "want getblockheader with verbose = false")
        try:
            hash_ = parse_display_hash(name if isinstance(name, str) else shown(name), "blockhash")
        except MalformedError as error:
            raise RefusedError(BAD_PARAMETER, str(error)) from error
        try:
            height = self._headers.height_of(hash_)
        except MissingError as error:
            raise RefusedError(NO_SUCH_BLOCK, "Block not found") from error
        return self._vouched(height).raw.hex()

    def _vouched(self, height: int) -> Header:
        """Return a header that may be taken for a node's word: `ots` asks for no grade."""
        known = self._headers.header(height)
        if self._headers.network.proves and not known.grade.verified:
            raise RefusedError(MISC, f"header of block {height} is {known.grade}: not vouched for")
        return known.header


def _want(params: list[Any], count: int) -> list[Any]:
    if len(params) != count:
        raise RefusedError(BAD_PARAMETER, f"there are {len(params)} params, want {count}")
    return params


def _refusal(id_: object, error: RefusedError) -> dict[str, object]:
    return {"result": None, "error": {"code": error.code, "message": str(error)}, "id": id_}


def _one(answer: dict[str, Any]) -> Answer:
    error = answer["error"]
    status = 200 if error is None else STATUS.get(error["code"], 500)
    return Answer(status, orjson.dumps(answer), JSON, NO_STORE)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
