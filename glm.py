#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 the authors of glm.py
# This file is its own source: copy it freely and keep these lines. `python3 glm.py --version`
# tells which release a copy is.
"""A client and command line for Zhipu's GLM models, in one file that needs nothing but Python.

    >>> from glm import GLM
    >>> GLM().ask("1 + 1 = ?")
    '2'

    $ python3 glm.py "Write a poem"

It speaks to BigModel, Z.AI and servers with the same protocol (vLLM, SGLang), under the names that
openai, zhipuai and zai use. The key comes from GLM_API_KEY, ZAI_API_KEY, ZHIPUAI_API_KEY or
ZHIPU_API_KEY.

The sections, each of which uses only what stands above it: Constants, Errors, Tokens, Events,
Timeouts and retry, Transport, Records, Replies, Messages, Requests, Endpoints, Client,
Conversation, Async, Command line. Either of the last two can be deleted without the other.
`__all__` lists what is public; the rest may change with any release.
"""

import base64
import codecs
import collections
import contextlib
import copy
import email.message
import email.utils
import functools
import hashlib
import hmac
import http.client
import io
import ipaddress
import itertools
import json
import locale
import logging
import math
import mimetypes
import os
import queue
import random
import re
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import weakref
import zlib
from datetime import datetime, timedelta, timezone
from typing import (
    TYPE_CHECKING,
    Any,
    Awaitable,
    Callable,
    Dict,
    Generator,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
    overload,
)

if TYPE_CHECKING:
    from typing import Literal

try:
    import ssl
    from ssl import CertificateError, SSLEOFError, SSLError, SSLWantReadError
except ImportError:  # a Python built without OpenSSL still reaches plain http hosts
    ssl = None  # type: ignore[assignment]  # no module

    class NoTLSError(OSError):
        """Stands for the errors of TLS, and is never raised."""

    # Without ssl nothing raises these.
    CertificateError = SSLEOFError = SSLError = SSLWantReadError = NoTLSError  # type: ignore

try:
    import contextvars
except ImportError:  # Python 3.6
    contextvars = None  # type: ignore[assignment]  # no module
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # no module

# In the order of the sections.
__all__ = [
    "BASE_URLS", "ERROR_CODES", "NOT_GIVEN", "omit",
    "GLMError", "GLMValueError", "FinishReasonError", "APICancelledError", "APIResponseError",
    "APIResponseValidationError", "APIConnectionError", "APITimeoutError", "StreamInterruptedError",
    "APIStatusError", "APIRequestFailedError", "APIAuthenticationError", "PermissionDeniedError",
    "NotFoundError", "ConflictError", "UnprocessableEntityError", "APIReachLimitError",
    "APIInternalError", "APIServerFlowExceedError", "APIError", "ZhipuAIError", "ZaiError",
    "OpenAIError", "BadRequestError", "AuthenticationError", "RateLimitError",
    "InternalServerError", "explain",
    "generate_token",
    "iter_sse",
    "Timeout", "TIMEOUT", "retry",
    "Cancel", "choose_proxy",
    "Record", "Function", "ToolCall", "Message", "Delta", "Choice", "ChunkChoice", "Usage",
    "Completion", "Chunk", "Page", "ChatCompletion", "ChatCompletionChunk", "ChatCompletionMessage",
    "ChatCompletionMessageToolCall", "CompletionMessage",
    "Stream", "Content",
    "image_part", "user_message", "text_of",
    "GLM", "ZaiClient", "ZhipuAI", "ZhipuAiClient", "OpenAI", "load_env",
    "Conversation",
]  # fmt: skip
__version__ = "2.0.0"

# -- Constants -------------------------------------------------------------------------------------

BASE_URLS = {
    "bigmodel": "https://open.bigmodel.cn/api/paas/v4",
    "zai": "https://api.z.ai/api/paas/v4",
    "bigmodel-coding": "https://open.bigmodel.cn/api/coding/paas/v4",
    "zai-coding": "https://api.z.ai/api/coding/paas/v4",
}
BASE_URL_VARIABLES = ("GLM_BASE_URL", "ZAI_BASE_URL", "ZHIPUAI_BASE_URL")
# Each key's variable, and the variable of the one other host it may be sent to (None: any host).
KEY_VARIABLES = {
    "GLM_API_KEY": None,
    "ZAI_API_KEY": "ZAI_BASE_URL",
    "ZHIPUAI_API_KEY": "ZHIPUAI_BASE_URL",
    "ZHIPU_API_KEY": "ZHIPUAI_BASE_URL",
}
KEY_PAGES = (
    "https://bigmodel.cn/usercenter/proj-mgmt/apikeys or https://z.ai/manage-apikey/apikey-list"
)
TEXT_MODEL = "glm-4.7-flash"  # the default models cost nothing
IMAGE_MODEL = "glm-4.6v-flash"
NOT_GIVEN = omit = None  # openai's names for an argument that is left out

TOKEN_LIFETIME = 210  # seconds
CLOCK_TOLERANCE = 30  # seconds; beyond this difference, tokens use the server's clock
IDLE_LIMIT = 30.0  # seconds after which an idle connection is not trusted any more
KEEP_ALIVE_AFTER = 60  # seconds of silence before TCP asks whether the peer is still there
DRAIN_LIMIT = 0.2  # seconds for what may follow the [DONE] of a stream
RETRY_AFTER_LIMIT = 60.0  # seconds; a server that asks for more gets no second request
CHUNK_SIZE = 1 << 18  # bytes in one read or write
LINE_LIMIT = 16 << 20  # characters in one line of a stream
TEXT_LIMIT = 200  # characters of a server's text in an error message

# finish_reason values which say that the server broke the answer off. network_error is GLM's; the
# others come from vLLM, SGLang, OpenRouter, DeepSeek and relays:
# https://github.com/vllm-project/vllm/issues/57082
# https://github.com/damianvtran/local-operator/issues/223
# https://github.com/can1357/oh-my-pi/issues/8563
BROKEN_OFF = {
    "network_error",
    "abort",
    "error",
    "cancelled",
    "repetition",
    "insufficient_system_resource",
}


class ErrorCode(NamedTuple):
    """A business code: HTTP status (0: any), whether it is retried, exit code, meaning.

    `retry` is "yes", "no", "sign" (once, signed anew, if the clock is off) or "until" (not before
    the time that the message states).
    """

    status: int
    retry: str
    exit_code: int
    zh: str
    en: str


def parse_error_codes(text: str) -> Dict[str, ErrorCode]:
    """The rows of the table below by their code."""
    codes = {}
    for row in text.splitlines():
        code, status, retry, exit_code, meaning = row.split(None, 4)
        zh, en = meaning.split(" | ")
        codes[code] = ErrorCode(int(status), retry, int(exit_code), zh, en)
    return codes


# https://docs.bigmodel.cn/cn/faq/api-code, https://docs.bigmodel.cn/cn/api/api-code and, for codes
# that are gone from there, https://docs.bigmodel.cn/cn/guide/develop/openai/introduction
ERROR_CODES = parse_error_codes("""\
500  500 yes   7 内部错误 | internal error
401  401 sign  3 令牌过期或验证失败 | bad or expired token
1000 401 no    3 身份验证失败 | authentication failed
1001 401 no    3 缺少鉴权头 | no Authorization header
1002 401 sign  3 令牌非法 | malformed token
1003 401 sign  3 令牌已过期 | token expired, or a wrong clock
1004 401 sign  3 令牌验证未通过 | token signature refused
1005 401 no    3 需要二次验证 | a second login check is needed
1100 0   yes   7 账户读写错误 | account read or write failed
1110 0   no    3 账户未激活 | account inactive
1111 0   no    3 账户不存在 | no such account
1112 0   no    3 账户被锁定 | account locked
1113 429 no    4 欠费或无可用资源包 | no balance or resource pack for this key here
1120 0   yes   7 暂时无法访问账户 | account out of reach for now
1121 429 no    3 账户违规被锁定 | account locked for abuse
1200 500 yes   7 接口调用失败 | call failed
1210 400 no    1 参数有误 | bad parameters
1211 400 no    1 模型不存在 | unknown model
1212 400 no    1 模型不支持该调用方式 | the model cannot be called this way
1213 400 no    1 缺少参数 | a field is missing
1214 400 no    1 参数非法 | a field is not valid
1215 400 no    1 参数互斥 | two fields exclude each other
1220 403 no    3 无权访问该接口 | no permission for this API
1221 400 no    1 接口已下线 | API retired
1222 400 no    1 接口不存在 | no such API
1230 500 yes   7 调用流程出错 | processing failed
1231 0   no    1 请求编号重复 | request_id was used before
1234 500 yes   7 网络错误 | network error in the service
1261 400 no    8 输入过长 | prompt too long
1300 0   no    5 被策略阻止 | blocked by policy
1301 400 no    5 内容不安全或敏感 | unsafe or sensitive content
1302 429 yes   6 并发或频率超限 | too many requests at once
1303 429 yes   6 调用频率过高 | requests too frequent
1304 429 until 4 今日次数已用尽 | daily cap reached
1305 429 yes   6 模型过载 | model overloaded
1308 429 until 4 套餐周期额度用尽 | plan quota of this window used up
1309 429 no    4 套餐已到期 | plan expired
1310 429 until 4 每周或每月额度用尽 | weekly or monthly cap reached
1311 429 no    4 套餐不含该模型 | model not in this plan
1312 429 yes   6 该模型访问量过大 | model overloaded: later, or another model
1313 429 no    4 触发公平使用限制 | fair-use limit reached
1314 429 no    4 企业套餐无效 | enterprise plan not valid
1315 429 no    4 密钥仅限企业套餐 | key limited to the enterprise coding plan
1316 429 until 4 5小时额度与余额用尽 | 5-hour cap reached, and no balance
1317 429 until 4 7天额度与余额用尽 | 7-day cap reached, and no balance
1318 429 until 4 5小时额度与子账户月限用尽 | 5-hour cap reached, and the sub-account's
1319 429 until 4 7天额度与子账户月限用尽 | 7-day cap reached, and the sub-account's
1320 429 until 4 5小时额度与企业月限用尽 | 5-hour cap reached, and the company's
1321 429 until 4 7天额度与企业月限用尽 | 7-day cap reached, and the company's
""")
ADVICE_BY_CODE = {
    "1113": "top up, or use the base URL that the key was sold for",
    "1210": "compare the fields with the model's page: glm-5.3 and newer always think and take"
    ' thinking={"type": "enabled"} with reasoning_effort low, high or max',
    "1302": "send fewer requests at once: the limit is on concurrency, by model",
    "1308": "wait for the stated time, or use a pay-as-you-go key",
}
ADVICE_BY_EXIT_CODE = {
    1: "correct the request",
    3: "check the key, and that it belongs to this base URL",
    4: "top up, change the plan or wait",
    5: "change the input: the same is refused again",
    6: "send fewer requests at once",
    7: "try again later",
    8: "shorten the input",
}

# -- Errors ----------------------------------------------------------------------------------------


class GLMError(Exception):
    """The base of all errors here. All can be pickled; attributes that do not apply are None.

    retry_after is in seconds, retry_at the time when a quota comes back; body is what the server
    said, partial the Completion as far as it came; date is the server's clock in seconds since
    1970, exit_code what a command line should end with.
    """

    exit_code = 1

    def __init__(
        self,
        message: str = "",
        *,
        status_code: Optional[int] = None,
        code: Optional[str] = None,
        request_id: Optional[str] = None,
        retryable: bool = False,
        retry_after: Optional[float] = None,
        retry_at: Optional[datetime] = None,
        finish_reason: Optional[str] = None,
        body: Any = None,
        partial: Any = None,
        date: Optional[float] = None,
        exit_code: Optional[int] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.code = code
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after = retry_after
        self.retry_at = retry_at
        self.finish_reason = finish_reason
        self.body = body
        self.partial = partial
        self.date = date
        if exit_code is not None:
            self.exit_code = exit_code


class GLMValueError(GLMError, ValueError):
    """A bad key, argument or setting; nothing was sent."""

    exit_code = 2


class FinishReasonError(GLMError):
    """The answer is incomplete or contains no text: see finish_reason and partial."""

    exit_code = 8


class APICancelledError(GLMError):
    """Another thread ended the call, by a Cancel; see partial."""

    exit_code = 130


class APIResponseError(GLMError):
    """No usable reply."""


class APIResponseValidationError(APIResponseError):
    """A 2xx reply that is not what was asked for."""


class APIConnectionError(APIResponseError):
    """Name lookup, connection, TLS or proxy failed; the message says which, and to whom."""

    exit_code = 7


class APITimeoutError(APIConnectionError):
    """The connect, read or total limit has passed; the message says which."""


class StreamInterruptedError(APIConnectionError):
    """The answer broke off, streamed or not: see partial."""

    exit_code = 8


class APIStatusError(GLMError):
    """The server refused: see status_code and code."""


class APIRequestFailedError(APIStatusError):
    """400: the request is wrong."""


class APIAuthenticationError(APIStatusError):
    """401: no key, or a refused one."""

    exit_code = 3


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this."""

    exit_code = 3


class NotFoundError(APIStatusError):
    """404: no such path, model or object."""


class ConflictError(APIStatusError):
    """409: the request conflicts with another one."""


class UnprocessableEntityError(APIStatusError):
    """422: the fields of the request do not fit."""


class APIReachLimitError(APIStatusError):
    """429: rate, quota, balance or plan; the code tells which."""

    exit_code = 6


class APIInternalError(APIStatusError):
    """500 and above: the service failed."""

    exit_code = 7


class APIServerFlowExceedError(APIInternalError):
    """503: the service is overloaded."""


APIError = ZhipuAIError = ZaiError = OpenAIError = GLMError
BadRequestError = APIRequestFailedError
AuthenticationError = APIAuthenticationError
RateLimitError = APIReachLimitError
InternalServerError = APIInternalError
STATUS_ERRORS: Dict[int, Type[APIStatusError]] = {
    400: APIRequestFailedError,
    401: APIAuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: APIReachLimitError,
    503: APIServerFlowExceedError,
}


def explain(code: Union[str, int, None] = None) -> str:
    """What a business code means, whether it is retried, and what to do; without a code, all."""
    if code is None:
        return "\n".join(explain(known) for known in ERROR_CODES)
    row = ERROR_CODES.get(str(code))
    if row is None:
        return f"{code}: not a known code; the HTTP status decides"
    retried = {"yes": "retried", "sign": "signed anew once if the clock is off"}
    advice = ADVICE_BY_CODE.get(str(code), ADVICE_BY_EXIT_CODE[row.exit_code])
    return f"{code}: {row.zh} / {row.en}; {retried.get(row.retry, 'not retried')}; {advice}"


# -- Tokens ----------------------------------------------------------------------------------------


def base64url(data: bytes) -> bytes:
    """Base64 for URLs, without padding: https://www.rfc-editor.org/rfc/rfc7515#section-2"""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def generate_token(apikey: str, exp_seconds: float, now: Optional[float] = None) -> str:
    """Sign a JWT (HS256) for a key of the form id.secret, as BigModel wants it.

    The token lives for exp_seconds from now on (seconds since 1970; the present if not given). Its
    times are in milliseconds: https://docs.bigmodel.cn/cn/guide/develop/http/introduction
    """
    key_id, _, secret = apikey.partition(".")
    if not key_id or not secret or "." in secret:
        raise GLMValueError("invalid apikey: a token needs a key of the form id.secret")
    timestamp = round((time.time() if now is None else now) * 1000)
    header = {"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"}
    payload = {
        "api_key": key_id,
        "exp": timestamp + round(exp_seconds * 1000),
        "timestamp": timestamp,
    }
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, payload)]
    value = b".".join(base64url(part) for part in parts)
    signature = hmac.new(secret.encode(), value, hashlib.sha256).digest()
    return (value + b"." + base64url(signature)).decode()


# -- Events ----------------------------------------------------------------------------------------


def iter_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of UTF-8 text that comes in chunks cut anywhere, none of them empty.

    Each ends with LF, except the last if it was cut. Only LF, CRLF and CR end a line: splitlines
    would also split at U+2028 and others, which answers may hold.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), True)
    pieces: List[str] = []  # of a line whose end has not come yet
    size = 0
    for chunk in itertools.chain(chunks, [b""]):  # an empty one is the end
        text = decoder.decode(chunk, final=not chunk)
        pieces.append(text)
        size += len(text)
        if "\n" in text:
            *lines, rest = "".join(pieces).split("\n")
            for line in lines:
                yield line + "\n"
            pieces = [rest]
            size = len(rest)
        if size > LINE_LIMIT:
            raise APIResponseValidationError("a line of the stream is over 16 MB")
    rest = "".join(pieces)
    if rest:
        yield rest


def iter_sse(lines: Iterable[str]) -> Iterator[Tuple[str, str]]:
    """Yield (event, data) from the lines of an event stream, with or without their line ends.

    By https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    except that no blank line is needed at the end, and that JSON and HTML without "data:" are data,
    too, up to the next blank line: so one JSON object in place of a stream, or a gateway's error
    amid the events, is read like the rest (https://github.com/openclaw/openclaw/issues/93241).
    Where lines come with their ends, an event whose last line has none was cut off and is dropped.
    """
    event = line = ""
    data: List[str] = []
    bare = with_ends = False
    for line in lines:
        text = line.rstrip("\r\n")
        with_ends = with_ends or text != line
        text = text.lstrip("\ufeff")
        begins_bare = not bare and text.lstrip().startswith(("{", "[", "<"))
        if begins_bare or not text:
            if data:
                yield event or "message", "\n".join(data)
            event = ""
            data = []
            bare = begins_bare
        name, _, value = text.partition(":")
        if value.startswith(" "):
            value = value[1:]
        if bare:
            data.append(text)
        elif name == "data":
            data.append(value)
        elif name == "event":
            event = value
    cut_off = with_ends and not bare and not line.endswith(("\r", "\n"))
    if data and not cut_off:
        yield event or "message", "\n".join(data)


# -- Timeouts and retry ----------------------------------------------------------------------------


class Timeout(NamedTuple):
    """Limits in seconds; None is no limit.

    connect: for a TCP connection, and again for the TLS handshake. read: the longest silence.
    total: for the whole call, its retries and the reading of a stream included. DNS lookups, each
    further address that does not answer, and a peer that sends a handshake, a head or the framing
    of chunks byte by byte can exceed it.
    """

    connect: Optional[float] = 8.0
    read: Optional[float] = 300.0
    total: Optional[float] = None


TIMEOUT = Timeout()


def to_timeout(value: Any) -> Timeout:
    """A Timeout from a number (read), a tuple, a Timeout, or anything with .connect and .read."""
    with contextlib.suppress(TypeError):  # too many, or no numbers
        if hasattr(value, "connect") and hasattr(value, "read"):
            value = (value.connect, value.read, getattr(value, "total", None))
        elif value is None:
            value = (8.0, None)
        elif not isinstance(value, tuple):
            value = (min(8.0, value), value)
        timeout = Timeout(*value)
        if all(limit is None or limit > 0 for limit in timeout):
            return timeout
    raise GLMValueError("timeout: a number of seconds above 0, or (connect, read, total) of them")


T = TypeVar("T")


def retry(
    call: Callable[[], T],
    *,
    max_retries: int = 3,
    deadline: Optional[float] = None,
    sleep: Callable[[float], Any] = time.sleep,
    rand: Callable[[], float] = random.random,
) -> T:
    """Return call(), repeated while it raises an exception whose .retryable is true.

    Between two tries it waits .retry_after seconds if the exception has them, else exponentially
    longer with full jitter: 0.5 to 8 s, for rate limits 2 to 60 s. Where the server asks for more
    than 60 s, or the wait would pass `deadline` (on time.monotonic()), the exception is raised at
    once.
    """
    attempt = 0
    while True:
        try:
            return call()
        except Exception as error:
            if attempt >= max_retries or not getattr(error, "retryable", False):
                raise
            wait = retry_wait(error, attempt, rand)
            if wait > RETRY_AFTER_LIMIT:
                raise
            if deadline is not None and time.monotonic() + wait >= deadline:
                raise
        sleep(wait)
        attempt += 1


def retry_wait(error: Exception, attempt: int, rand: Callable[[], float]) -> float:
    """Seconds to wait after the given attempt, counted from 0."""
    requested: Optional[float] = getattr(error, "retry_after", None)
    if requested is not None:
        return max(0.0, requested)
    first, longest = (2.0, 60.0) if isinstance(error, APIReachLimitError) else (0.5, 8.0)
    return rand() * min(longest, first * 2.0 ** min(attempt, 10))


# -- Transport -------------------------------------------------------------------------------------

# What a connection can do to a call. ValueError: a name without an IDNA form, a chunk size that is
# no number; on 3.6 a certificate for another name.
NETWORK_ERRORS = (OSError, http.client.HTTPException, ValueError)
PROXY_LOGIN = "the proxy asks for a login: put it into the proxy's URL, http://user:password@host"


class Cancel:
    """Ends calls from another thread, as the Stop button of a window does.

    `with cancel:` covers the calls that its thread begins inside; `cancel()`, from any thread, ends
    those under way, and those begun later at once: a Cancel once used stays cancelled. An ended
    call raises APICancelledError and is not retried. A name lookup or a TCP connect under way ends
    by its own limit.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self._calls: List[weakref.ref[Call]] = []
        self._lock = threading.RLock()

    def __enter__(self) -> "Cancel":
        ACTIVE.cancels.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        ACTIVE.cancels.remove(self)

    def cancel(self) -> None:
        """End the calls; what they received so far is in the errors' `partial`."""
        with self._lock:
            self.cancelled = True
            for reference in list(self._calls):
                call = reference()
                if call is not None:
                    call.cancel()

    def cover(self, call: "Call") -> None:
        """Let `cancel` end this call too."""
        with self._lock:
            # Its reference leaves the list as the call goes, in whatever thread: one atomic step.
            self._calls.append(weakref.ref(call, self._calls.remove))
            if self.cancelled:
                call.cancel()


class ActiveCancels(threading.local):
    """The Cancels whose `with` blocks this thread is in."""

    def __init__(self) -> None:
        self.cancels: List[Cancel] = []


ACTIVE = ActiveCancels()


class Call:
    """One call with all its attempts: its time limits, its secrets, and its end from outside.

    Everything that waits takes its limit from here; a call that is over gets none. The thread that
    makes the call is the only one that connects, sends, reads and closes. Another thread may only
    `cancel`: under the lock, it marks the call and shuts the socket of the connection held just
    now; that wakes the thread, which sees the mark, discards what it read after it, and closes.
    `hold`, `release` and `drop` take the same lock, so a late cancel never reaches a connection of
    another call.
    """

    def __init__(self, timeout: Timeout, target: str) -> None:
        self.timeout = timeout
        self.end = time.monotonic() + (math.inf if timeout.total is None else timeout.total)
        self.target = target  # for messages: method and URL
        self.proxy = ""  # for messages
        self.phase = "request"  # for messages: connect or read, as soon as our transport knows
        self.secrets: List[str] = []
        self.signing_offset = 0.0  # of the clock that the last token was signed by
        self.cancelled = False
        self._connection: Optional[Connection] = None
        self._pool: collections.deque[Connection] = collections.deque()
        # A signal handler may cancel the call of its own thread: so the lock can be entered again,
        # and `sleep` waits for a lock that only `cancel` releases; an Event could deadlock.
        self._lock = threading.RLock()
        self._asleep = threading.Lock()
        self._asleep.acquire()
        for cancel in ACTIVE.cancels:
            cancel.cover(self)

    @property
    def where(self) -> str:
        """What the call was doing, to whom and through what, for messages."""
        return f"[{self.phase}, {self.target}{self.proxy}]"

    def time_left(self, limit: Optional[float]) -> float:
        """Seconds that a wait with this limit may take; an error if the call is over."""
        self.raise_if_cancelled()
        left = self.end - time.monotonic()
        if left <= 0:
            raise APITimeoutError(f"total timeout {self.where}")
        return min(left, math.inf if limit is None else limit, 1e6)  # sockets take no more

    def sleep(self, seconds: float) -> None:
        """Wait, or raise APICancelledError as soon as the call is cancelled."""
        # `cancel` releases the lock for good: every waiter passes it on.
        if self._asleep.acquire(timeout=seconds):
            self._asleep.release()
        self.raise_if_cancelled()

    def hold(self, connection: "Connection", pool: "collections.deque[Connection]") -> None:
        """Use this connection from now on; `cancel` shuts it."""
        with self._lock:
            self._connection = connection
            self._pool = pool
            if connection.proxy:
                self.secrets += connection.proxy.secrets
                self.proxy = f" via {connection.proxy!r}"

    def read(self, response: Any) -> bytes:
        """What has arrived of the body of a reply; at its end nothing."""
        if self._connection is not None:
            self._connection.limit_silence(self)
        data: bytes = getattr(response, "read1", response.read)(CHUNK_SIZE)
        self.raise_if_cancelled()
        return data

    def release(self, response: Any) -> None:
        """After a reply that was read to its end: let other calls use the connection."""
        with self._lock:
            connection = self._connection
            if connection is not None and not response.will_close:
                self._connection = None
                response.close()  # http.client wants that before the next request
                connection.idle_since = time.monotonic()
                self._pool.append(connection)

    def drop(self) -> None:
        """Close the connection, unless it was released."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def cancel(self) -> None:
        """End the call, from any thread; nothing happens to one that is over."""
        with self._lock:
            self.cancelled = True
            with contextlib.suppress(RuntimeError):  # released before
                self._asleep.release()
            if self._connection is not None:
                self._connection.shut()

    def raise_if_cancelled(self) -> None:
        """Raise APICancelledError if `cancel` was called."""
        if self.cancelled:
            raise APICancelledError(f"the call was ended from outside {self.where}")

    def mask(self, text: str) -> str:
        """The text without the secrets that this call sent: some servers echo them."""
        for secret in self.secrets:
            if len(secret) >= 6:  # shorter ones are words of ordinary text
                text = text.replace(secret, "***")
        return text


class Request(urllib.request.Request):
    """A request of urllib that knows its call."""

    call: Call


class Proxy(NamedTuple):
    """An HTTP proxy; as text it shows no login."""

    host: str
    port: int
    configured_by: str  # the argument or the variable
    headers: Dict[str, str]  # sent to the proxy
    secrets: List[str]

    def __repr__(self) -> str:
        return f"{self.configured_by} {self.host}:{self.port}"


def choose_proxy(
    scheme: str, host: str, port: int, proxy: Union[str, bool, None] = None
) -> Optional[Proxy]:
    """The proxy for a host, None to connect directly.

    proxy: a URL, False for none, None for what the environment or the system names. Loopback is
    always direct; NO_PROXY is read as urllib does, and for addresses also networks (10.0.0.0/8).
    """
    if proxy is False or host == "localhost" or in_networks(host, ["127.0.0.0/8", "::1"]):
        return None
    if isinstance(proxy, str):
        return parse_proxy(proxy, "proxy", host)
    proxies = urllib.request.getproxies()
    kind = scheme if proxies.get(scheme) else "all"
    url = proxies.get(kind)
    name = kind + "_proxy"
    if not url or urllib.request.proxy_bypass(f"{host_before_port(host)}:{port}"):
        return None
    if in_networks(host, proxies.get("no", "").split(",")):
        return None
    return parse_proxy(url, name if name in os.environ else name.upper(), host)


def in_networks(host: str, networks: Iterable[str]) -> bool:
    """Whether a host is an address in one of the networks; names in the list are passed over."""
    for network in networks:
        with contextlib.suppress(ValueError):  # the host or the network is a name
            if ipaddress.ip_address(host) in ipaddress.ip_network(network.strip(), strict=False):
                return True
    return False


def host_before_port(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def parse_proxy(url: str, configured_by: str, host: str) -> Proxy:
    """Parse a proxy's URL; an error names what configured it and shows nothing of it."""
    try:
        parts = urllib.parse.urlsplit(url if "://" in url else "http://" + url)
        rest = parts.path.strip("/") + parts.query + parts.fragment
        if parts.scheme == "http" and parts.hostname and not rest and not re.search(r"[\s\0]", url):
            password = urllib.parse.unquote(parts.password or "")
            login = urllib.parse.unquote(parts.username or "") + ":" + password
            encoded = base64.b64encode(login.encode()).decode()
            headers = {"Proxy-Authorization": "Basic " + encoded} if parts.username else {}
            port = parts.port or 80
            return Proxy(parts.hostname, port, configured_by, headers, [password, encoded])
    except ValueError:  # of the port
        pass
    raise APIConnectionError(
        f"{configured_by}: only http://host:port works as a proxy here, no SOCKS or https, and #, /"
        f" and ? in its password must be written %23, %2F and %3F; change it, name {host} in"
        " NO_PROXY, or use proxy=False or opener="
    )


def tls_context(ca_file: Optional[str]) -> "ssl.SSLContext":
    """A context that trusts the system's roots and those of ca_file or REQUESTS_CA_BUNDLE.

    The system's are OpenSSL's, SSL_CERT_FILE and SSL_CERT_DIR included; the others are a file or a
    directory with hashed names.
    """
    if ssl is None:
        raise APIConnectionError("https needs Python's ssl module, which this Python lacks")
    name = "ca_file" if ca_file else "REQUESTS_CA_BUNDLE"
    bundle = ca_file or os.environ.get("REQUESTS_CA_BUNDLE")
    system_file = os.environ.get("SSL_CERT_FILE")
    if system_file and not os.path.exists(system_file):
        raise GLMValueError(f"SSL_CERT_FILE names a file that is not there: {system_file}")
    context = ssl.create_default_context()
    # Debian 12's Python and 3.8 and 3.9 set OpenSSL's SSL_OP_IGNORE_UNEXPECTED_EOF, with which a
    # connection that is cut off would pass for a reply that has come to its end.
    context.options &= ~0x80
    if bundle:
        # The strict checks of Python 3.13 refuse the certificates of many private CAs.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        kind = "capath" if os.path.isdir(bundle) else "cafile"
        try:
            context.load_verify_locations(**{kind: bundle})
        except OSError as error:  # SSLError is one
            raise GLMValueError(f"{name}: no certificates in {bundle}: {error}") from error
    return context


def was_dropped(error: BaseException) -> bool:
    """Whether a connection just ended or was reset."""
    # With OpenSSL 3, a cut connection is a plain SSLError up to Python 3.9 and in Debian's 3.11.2.
    dropped = (ConnectionError, http.client.IncompleteRead, SSLEOFError)
    return isinstance(error, dropped) or "unexpected eof" in str(error)


class ReplyHead(http.client.HTTPResponse):
    """A reply with a whole head; else an error that tells whether any byte had come."""

    def begin(self) -> None:
        """Read the head; a connection that is dropped after its first byte is an IncompleteRead."""
        empty = not self.fp.peek(1)
        try:
            super().begin()
        except NETWORK_ERRORS as error:
            if empty or not was_dropped(error):
                raise
            raise http.client.IncompleteRead(b"") from error
        # http.client may not have read all of the head, or have mistaken an interim one for it. (Of
        # multipart and message types, its parser misses the body in every head.)
        missed = self.headers.defects or self.headers.get_payload()
        lost = missed and self.headers.get_content_maintype() not in ("multipart", "message")
        coding = self.headers.get("Transfer-Encoding", "chunked").lower()
        if self.status < 200 or lost or coding != "chunked":
            raise http.client.HTTPException("the head of the reply is damaged")


class Connection(http.client.HTTPConnection):
    """A connection to a server, plain or TLS, direct or through a proxy; one call has it at a time.

    It connects once, by `open`; when it is closed it stays so.
    """

    auto_open = 0  # http.client would connect again in silence
    response_class = ReplyHead
    sock: Any = None

    def __init__(self, request: Request, proxy: Union[str, bool, None]) -> None:
        parts = urllib.parse.urlsplit(request.full_url)
        self.secure = parts.scheme == "https"
        self.server_name = parts.hostname or ""
        port = parts.port or (443 if self.secure else 80)
        self.proxy = choose_proxy(parts.scheme, self.server_name, port, proxy)
        self.opened: Any = None  # the socket; http.client lets go of its own with the last reply
        self.head = b""  # of the request that is sent just now
        self.idle_since = 0.0
        self.process = os.getpid()
        if self.proxy is None:
            super().__init__(self.server_name, port)
            return
        super().__init__(self.proxy.host, self.proxy.port)
        if self.secure:  # up to 3.11, http.client sends no Host to the proxy
            name = host_before_port(self.server_name)
            self.set_tunnel(name, port, {"Host": f"{name}:{port}", **self.proxy.headers})

    def open(self, call: Call, context: Optional["ssl.SSLContext"]) -> None:
        """Connect, through the proxy if there is one, and shake hands."""
        self.timeout = call.time_left(call.timeout.connect)
        try:
            self.connect()
        except OSError as error:
            # Its frames hold the proxy's reply, which would keep the socket open (up to 3.10).
            raise error.with_traceback(None)  # noqa: B904  # it is the same error
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_AFTER)
        if context is not None:
            self.sock = context.wrap_socket(
                self.sock,
                server_hostname=self.server_name,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )
            self.sock.settimeout(call.time_left(call.timeout.connect))
            self.sock.do_handshake()
        self.opened = self.sock

    def exchange(self, request: Request) -> Any:
        """Send a request and read the head of its reply."""
        headers = {"Host": request.host, **dict(request.header_items())}
        target = request.selector
        if self.proxy and not self.secure:
            target = request.full_url
            headers.update(self.proxy.headers)
        body: Any = request.data
        if body is not None:
            headers["Content-Length"] = str(len(body))
        self.head = b""
        self.request(request.get_method(), target, headers=headers)  # calls our `send`
        data = self.head + (body or b"")
        # A refusal may come before the whole request was sent; `is_alive` will not pass the rest.
        with contextlib.suppress(ConnectionError, SSLEOFError):
            for start in range(0, len(data), CHUNK_SIZE):  # each may take as long as a read
                self.limit_silence(request.call)
                self.opened.sendall(data[start : start + CHUNK_SIZE])
        self.limit_silence(request.call)
        return self.getresponse()

    def send(self, data: Any) -> None:
        """What http.client calls to send; it keeps a head, which leaves together with its body."""
        if self.opened is None:  # a CONNECT has no body
            super().send(data)
        else:
            self.head += data

    def limit_silence(self, call: Call) -> None:
        """Let the next operation take the call's read limit at most."""
        limit = call.time_left(call.timeout.read)
        if limit != self.opened.gettimeout():  # setting it is a system call for each event
            self.opened.settimeout(limit)

    def is_alive(self) -> bool:
        """Whether this process opened it, and it is idle not too long and has nothing to read."""
        if self.process != os.getpid():  # a forked process leaves the socket to its parent
            return False
        try:
            self.opened.settimeout(0)
            self.opened.recv(1)
        except (BlockingIOError, SSLWantReadError):
            return time.monotonic() - self.idle_since < IDLE_LIMIT
        except OSError:
            pass
        return False

    def shut(self) -> None:
        """Wake the thread that uses the connection; it gets an error or an end, and closes.

        Not SSLSocket.shutdown: it drops TLS first, and the reader would get ciphertext as text. A
        forked process shuts nothing: the socket is its parent's too.
        """
        sock = self.opened or self.sock
        if sock is not None and self.process == os.getpid():
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def __del__(self) -> None:
        if self.sock is not None:
            self.close()


class KeepAliveHandler(urllib.request.BaseHandler):
    """http and https for an opener of urllib, by connections that are kept.

    Threads share it: a connection is in the pool or serves one call, which puts it back.
    """

    def __init__(self, proxy: Union[str, bool, None], ca_file: Optional[str]) -> None:
        self.proxy = proxy
        self.ca_file = ca_file
        self.context: Optional[ssl.SSLContext] = None
        self.lock = threading.Lock()  # for making the context
        self.pool: collections.deque[Connection] = collections.deque()

    def add_parent(self, parent: urllib.request.OpenerDirector) -> None:
        """Nothing: opener and handler in a cycle would keep sockets until a garbage collection."""

    def http_open(self, request: Request) -> Any:
        """Send a request; the call keeps its connection until the reply is read."""
        connection = self.take()
        if connection is not None:
            try:
                return self.send(request, connection)
            except NETWORK_ERRORS as error:
                if not was_dropped(error) or isinstance(error, http.client.IncompleteRead):
                    raise  # else it died idle: a new one replaces it, and this is no retry
        return self.send(request, Connection(request, self.proxy))

    https_open = http_open

    def send(self, request: Request, connection: Connection) -> Any:
        """Send a request by this connection; any failure closes it."""
        call = request.call
        try:
            call.hold(connection, self.pool)
            if connection.opened is None:
                call.phase = "connect"
                connection.open(call, self.tls_context() if connection.secure else None)
            call.phase = "read"
            return connection.exchange(request)
        except BaseException:
            call.drop()
            raise

    def tls_context(self) -> "ssl.SSLContext":
        """The context of all connections, which costs 20 ms and 1 MB."""
        with self.lock:
            if self.context is None:
                self.context = tls_context(self.ca_file)
        return self.context

    def take(self) -> Optional[Connection]:
        """An idle connection that can be used, the caller's alone from now on.

        The oldest first, so that those that are idle for too long are found and closed.
        """
        with contextlib.suppress(IndexError):
            while True:
                connection = self.pool.popleft()
                if connection.is_alive():
                    return connection
                connection.close()
        return None

    def close(self) -> None:
        """Close the idle connections."""
        for connection in iter(self.take, None):
            connection.close()


def network_error(
    error: Exception, call: Call, dropped: Type[APIConnectionError] = APIConnectionError
) -> GLMError:
    """The GLMError for a failure of the network, naming phase, server and proxy.

    dropped: the class for a connection that broke.
    """
    if call.cancelled:
        return APICancelledError(f"the call was ended from outside {call.where}")
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason  # other openers wrap what happened
    if isinstance(error, socket.timeout) and not error.errno:  # not the kernel's ETIMEDOUT
        # (A socket may give up a little before its time.)
        passed = "total" if time.monotonic() >= call.end - 0.001 else call.phase
        return APITimeoutError(f"{passed} timeout {call.where}", retryable=passed == "connect")
    meaning, retryable = diagnose(error)
    text = call.mask(f"{type(error).__name__}: {error}")[:TEXT_LIMIT]
    return dropped(f"{meaning}: {text} {call.where}", retryable=retryable)


def diagnose(error: Exception) -> Tuple[str, bool]:
    """What an error of the network means, with advice, and whether to try again."""
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "no such host name", getattr(error, "errno", None) == socket.EAI_AGAIN
    # We rejected the certificate; a TLS alert would mean that the server rejected us. On 3.6 only
    # `reason` tells.
    rejected = getattr(error, "reason", None) == "CERTIFICATE_VERIFY_FAILED"
    if rejected or isinstance(error, CertificateError):
        meaning = (
            "TLS certificate refused (if you trust its issuer, name a file with the issuer's"
            " certificate by ca_file= or REQUESTS_CA_BUNDLE)"
        )
        return meaning, False
    tunnel = re.match(r"Tunnel connection failed: (\d+)", str(error))  # a bare OSError
    if tunnel:
        status = int(tunnel.group(1))
        return PROXY_LOGIN if status == 407 else "the proxy refused", status >= 500
    final = isinstance(error, (http.client.HTTPException, SSLError, ValueError))
    return "the connection failed", was_dropped(error) or not final


def shown_cause(error: Exception, call: Call) -> Optional[Exception]:
    """The error to chain as the cause, or None if the text of one in its chain holds a secret."""
    shown: Optional[BaseException] = error
    while shown is not None:
        if call.mask(str(shown)) != str(shown):
            return None
        shown = shown.__cause__ or shown.__context__
    return error


# -- Records ---------------------------------------------------------------------------------------

# The names that the API documents for its replies, and those that servers like it add. A Record
# that lacks one of them reads None there; any other name is an AttributeError. (findall,
# since ruff wants a list in place of a literal's split.)
FIELDS = frozenset(
    re.findall(
        r"\w+",
        """
    agent_id annotations arguments async_id audio b64_json bytes cached_tokens cancelled_at
    cancelling_at choices code completed completed_at completion_tokens completion_tokens_details
    completion_window content content_filter content_type conversation_id cover_image_url created
    created_at data data_info deleted delta detail document embedding endpoint error error_file_id
    errors expired_at expires_at failed failed_at filename finalizing_at finish_reason first_id
    function function_call has_more icon id image_result image_tokens in_progress_at index
    input_file_id input_tokens last_id layout_details level line link logprobs max_model_len mcp
    md_results media message metadata model msg name object output_file_id output_tokens owned_by
    param parent permission prompt_tokens prompt_tokens_details publish_date purpose reader_result
    reasoning reasoning_content reasoning_tokens refer refusal relevance_score request_counts
    request_id result_list results revised_prompt risk_level risk_type role root search_intent
    search_result segments service_tier status success system_fingerprint task_status text title
    tool_calls total total_tokens type url usage video_result video_tokens voice web_search
    """,
    )
)


class Record(dict):  # type: ignore[type-arg]  # Dict[str, Any] as a base needs Python 3.7
    """A JSON object: a dict whose keys are attributes too, at every depth.

    A name that the API documents and this object lacks reads None. Keys named like methods (items,
    json) are read by []. `reasoning_content` also answers where a server says `reasoning`.
    """

    if not TYPE_CHECKING:  # a checker knows the typed fields alone, and so finds typos

        def __getattr__(self, name: str) -> Any:
            if name in self:
                return self[name]
            if name == "reasoning_content":  # vLLM has renamed it: vllm-project/vllm#27755
                return self.get("reasoning")
            if name in FIELDS:
                return None
            known = ", ".join(map(str, self.keys())) or "nothing"
            raise AttributeError(f"no {name!r} here, but: {known}")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def model_dump(self, *, exclude_none: bool = False, **options: Any) -> Dict[str, Any]:
        """Return plain dicts and lists. Other options of pydantic are taken, without effect."""
        plain: Dict[str, Any] = to_plain(self, exclude_none)
        return plain

    def model_dump_json(
        self, *, indent: Optional[int] = None, exclude_none: bool = False, **options: Any
    ) -> str:
        """Return JSON text. Other options of pydantic are taken, without effect."""
        return json.dumps(to_plain(self, exclude_none), ensure_ascii=False, indent=indent)

    to_dict = dict = model_dump
    to_json = json = model_dump_json


def to_plain(value: Any, exclude_none: bool) -> Any:
    """The value with dicts in place of Records."""
    if isinstance(value, list):
        return [to_plain(item, exclude_none) for item in value]
    if not isinstance(value, dict):
        return value
    pairs = [pair for pair in value.items() if not exclude_none or pair[1] is not None]
    return {name: to_plain(item, exclude_none) for name, item in pairs}


if TYPE_CHECKING:

    class Function(Record):
        """What a ToolCall calls."""

        name: str
        arguments: str

    class ToolCall(Record):
        """A call that the model asks for."""

        id: str
        type: str
        function: Function

    class Message(Record):
        """An answer; it can go back into `messages` as it is."""

        role: str
        content: Optional[str]
        reasoning_content: Optional[str]
        tool_calls: Optional[List[ToolCall]]

    class Delta(Message):
        """What a Chunk adds to a Message."""

    class Choice(Record):
        """One answer; most often there is only this."""

        index: int
        finish_reason: Optional[str]
        message: Message

    class ChunkChoice(Record):
        """What a Chunk adds to a Choice."""

        index: int
        finish_reason: Optional[str]
        delta: Delta

    class Usage(Record):
        """Numbers of tokens."""

        prompt_tokens: int
        completion_tokens: int
        total_tokens: int
else:
    Function = ToolCall = Message = Delta = Choice = ChunkChoice = Usage = Record


class Completion(Record):
    """The reply of chat.completions.create."""

    id: str
    created: int
    model: str
    object: str
    request_id: Optional[str]
    choices: List[Choice]
    usage: Optional[Usage]


class Chunk(Record):
    """One event of a Stream."""

    id: str
    created: int
    model: str
    object: str
    request_id: Optional[str]
    choices: List[ChunkChoice]
    usage: Optional[Usage]


class Page(Record):
    """A list of items, `data`. Iterating goes on with the pages after it, which it fetches.

    `len`, `in`, `[]` and `keys()` are the dict's. A pickle has this page alone.
    """

    data: List[Any]
    has_more: Optional[bool]

    def with_next(self, fetch: "Callable[[str], Page]") -> "Page":
        """Let iterating go on with fetch(id of the last item)."""
        object.__setattr__(self, "_fetch", fetch)
        return self

    def __iter__(self) -> Iterator[Any]:
        page = self
        seen = set()
        while page.get("data"):
            last = getattr(page.data[-1], "id", None)
            if last in seen:  # the server ignores `after`
                return
            seen.add(last)
            yield from page.data
            fetch = vars(self).get("_fetch")
            if not page.get("has_more") or last is None or fetch is None:
                return
            page = fetch(last)

    def __reduce__(self) -> Any:
        return Page, (dict(self.items()),)


ChatCompletion = Completion
ChatCompletionChunk = Chunk
ChatCompletionMessage = Message
CompletionMessage = Message
ChatCompletionMessageToolCall = ToolCall

DECODER = json.JSONDecoder(object_hook=Record)


def from_json(text: str) -> Any:
    """Parse JSON text, objects as Records; raise ValueError if it is not JSON."""
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def to_json(value: Any) -> bytes:
    """JSON as it is sent; GLMValueError for what JSON cannot hold, such as NaN."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise GLMValueError(f"the request cannot be written as JSON: {error}") from error
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate as JSON's own escape


# -- Replies ---------------------------------------------------------------------------------------


# What JSON raises that is not JSON, or not of the form that the API documents.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError)


class RawReply(NamedTuple):
    """A reply as it came."""

    status: int
    headers: email.message.Message
    body: bytes


class Reply:
    """The reply to one attempt of a call, by our transport or by another opener; read once."""

    def __init__(self, response: Any, call: Call, hints: Callable[[int, str], List[str]]) -> None:
        self.response = response
        self.call = call
        self.hints = hints  # (HTTP status, code) -> likely reasons of a refusal
        self.status: int = getattr(response, "status", None) or response.code
        self.headers: email.message.Message = response.headers

    def close(self) -> None:
        """Close the connection, if the reply was not read to its end."""
        self.response.close()
        self.call.drop()

    def iter_bytes(self, dropped: Type[APIConnectionError] = APIConnectionError) -> Iterator[bytes]:
        """Yield the body as it comes, unpacked; raise where it is cut: `dropped` if it broke."""
        try:
            yield from unpack(self.iter_raw()) if self.is_packed() else self.iter_raw()
            self.call.release(self.response)
        except NETWORK_ERRORS as error:
            raise network_error(error, self.call, dropped) from shown_cause(error, self.call)
        except zlib.error as error:
            raise self.invalid("its packing is damaged", str(error)) from None
        finally:
            self.close()

    def iter_raw(self) -> Iterator[bytes]:
        """Yield the body as it was sent."""
        response = self.response
        empty = True
        while True:
            data = self.call.read(response)
            if not data:
                break
            empty = False
            yield data
        # A body that lasts until the connection ends proves nothing if it is empty: http.client
        # takes a head that was cut for a whole one.
        left = getattr(response, "length", 0)
        lasting = left is None and not response.chunked
        if left or (empty and lasting):
            raise http.client.IncompleteRead(b"")

    def is_packed(self) -> bool:
        """Whether the body is packed, although that was not asked for."""
        value = self.headers.get("Content-Encoding") or ""
        names = {name.strip().lower() for name in value.split(",")}
        if names & {"br", "zstd", "compress"}:
            raise self.invalid("it is packed in a way that this client cannot read", value)
        # Some gateways write utf-8, none or binary there: encode/httpx#195
        return bool(names & {"gzip", "x-gzip", "deflate"})

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.iter_bytes())

    def read_json_text(self) -> Tuple[str, Optional[APIResponseError]]:
        """The text of a JSON body as far as it came, and the error that cut it off, if any.

        JSON is UTF-8; only where that fails the charset of Content-Type is tried.
        """
        data = bytearray()
        failure = None
        try:
            for chunk in self.iter_bytes():
                data += chunk
        except APIResponseError as error:
            failure = error
        try:
            return data.decode("utf-8-sig"), failure
        except UnicodeDecodeError:
            return self.text(data), failure

    def raw_reply(self) -> RawReply:
        """Status, headers and the whole body."""
        return RawReply(self.status, self.headers, self.read())

    def text(self, data: Union[bytes, bytearray]) -> str:
        """Text by the charset of Content-Type, else UTF-8."""
        try:
            return data.decode(self.headers.get_content_charset("utf-8"), "replace")
        except (LookupError, ValueError):
            return data.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as Records. A refusal in it raises, and so does what is not JSON.

        An object or array that parses is complete, even if the connection broke afterwards.
        """
        if self.status == 204:
            self.close()
            return Record()
        text, failure = self.read_json_text()
        try:
            body = from_json(text)
        except ValueError:
            raise (failure or self.invalid("it is not JSON", text)) from None
        if failure and not isinstance(body, (dict, list)):
            raise failure
        if is_refusal(body):
            raise self.refusal(text)
        return body

    def completion(self) -> Completion:
        """The body as a whole answer."""
        body = self.json()
        try:
            completion = Completion(body)
            for choice in choices_of(body):
                for tool_call in choice["message"].get("tool_calls") or ():
                    function: Any = tool_call.function or Record()  # other types have none
                    function["arguments"] = arguments_text(function.arguments) or "{}"
            completion.choices[0]
        except MALFORMED:
            raise self.invalid("it has no choices that can be read", str(body)) from None
        raise_if_broken_off(completion)
        return completion

    def chunk(self, text: str, answer: "Answer") -> Chunk:
        """Parse an event, and add it to the answer. A refusal in it raises."""
        try:
            body = from_json(text)
            if is_refusal(body):
                raise self.refusal(text)
            answer.add(body)
            return Chunk(body)
        except MALFORMED:
            raise self.invalid("an event of the stream is damaged", text) from None

    def invalid(self, what: str, text: str) -> APIResponseValidationError:
        """The error for a reply that is not what was asked for."""
        text = self.call.mask(text)
        shown = title_of(text) or text[:TEXT_LIMIT]
        return APIResponseValidationError(
            f"HTTP {self.status}, but {what}: {shown!r} {self.call.where}",
            status_code=self.status,
            body=text,
        )

    def refusal(self, text: Optional[str] = None) -> APIStatusError:
        """What the server refused, as the error of its business code, else of its HTTP status.

        text: of an event or a body that was read already.
        """
        if text is None:
            text, _ = self.read_json_text()
        text = self.call.mask(text)
        try:
            body = from_json(text)
        except ValueError:
            body = text
        code, message = refusal_facts(body)
        row = ERROR_CODES.get(code)
        status = deciding_status(self.status, code)
        reasons = [" ".join(message.split())[:TEXT_LIMIT] or "an empty body"]
        if code:
            reasons.append(explain(code))
        if 300 <= status < 400:
            reasons.append(f"no redirect is followed; it goes to {self.header('Location')!r}")
        reasons += self.hints(status, code)
        named = getattr(body, "request_id", None)
        request_id = named or self.header("X-Request-Id") or self.header("X-Log-Id") or None
        other = APIInternalError if status >= 500 else APIStatusError
        error_class = STATUS_ERRORS.get(status, other)
        return error_class(
            f"HTTP {self.status}: {'; '.join(reasons)} {self.call.where}",
            status_code=self.status,
            code=code or None,
            request_id=request_id,
            retryable=row.retry == "yes" if row else status in (408, 429) or status >= 500,
            retry_after=parse_retry_after(self.headers),
            retry_at=parse_retry_at(message) if row and row.retry == "until" else None,
            body=body,
            date=http_date(self.headers.get("Date")),
            exit_code=row.exit_code if row else {402: 4, 408: 7}.get(status),
        )

    def header(self, name: str) -> str:
        """A header without secrets, "" if there is none."""
        return self.call.mask(self.headers.get(name) or "")[:TEXT_LIMIT]


def unpack(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack deflate, or gzip, perhaps of several members."""
    decompressor = None
    for chunk in chunks:
        while chunk:
            if decompressor is None or decompressor.eof:
                decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS + 32)  # by its header
            data = decompressor.decompress(chunk)
            if data:
                yield data
            chunk = decompressor.unused_data.lstrip(b"\0")
    if decompressor is not None and not decompressor.eof:
        raise http.client.IncompleteRead(b"")


def is_refusal(body: Any) -> bool:
    """Whether the JSON of a 2xx reply or of an event is an error after all."""
    if not isinstance(body, dict):
        return False
    if body.get("error") or body.get("success") is False:
        return True
    code = body.get("code")
    return bool(code) and str(code) not in ("0", "200") and not body.keys() & {"choices", "id"}


def refusal_facts(body: Any) -> Tuple[str, str]:
    """Code ("" for none) and message of a refusal, in the shapes of services and gateways."""
    if not isinstance(body, dict):
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        return vendor_facts(text) or ("", title_of(text) or text)
    for wrapper in ("detail", "error"):
        if isinstance(body.get(wrapper), dict):
            body = body[wrapper]
    texts = [body.get(name) for name in ("message", "error", "msg", "detail")]
    message = next((text for text in texts if text and isinstance(text, str)), "")
    code = str(body.get("code") or "")[:40]
    return vendor_facts(message) or (code, message or json.dumps(body, ensure_ascii=False))


def vendor_facts(text: str) -> Optional[Tuple[str, str]]:
    """Code and message of the vendor's own error where a gateway quotes it in its text.

    As [1113][message][id], or as JSON behind any words:
    https://github.com/musistudio/claude-code-router/issues/398
    https://github.com/chatchat-space/Langchain-Chatchat/issues/2815
    """
    quoted = re.match(r"\[(\d+)\]\[(.*?)\]", text, re.S)
    if quoted and quoted.group(1) in ERROR_CODES:
        return quoted.group(1), quoted.group(2)
    try:
        facts = refusal_facts(DECODER.raw_decode(text, text.index("{"))[0])
    except (ValueError, RecursionError):
        return None
    return facts if facts[0] in ERROR_CODES else None


def deciding_status(status: int, code: str) -> int:
    """The HTTP status that decides an error's class: the code's own if it has one."""
    row = ERROR_CODES.get(code)
    if row:
        return row.status or status
    if status < 400 and code in map(str, STATUS_ERRORS):  # vLLM and SGLang, within a stream
        return int(code)
    return status


def title_of(text: str) -> str:
    """The title of an HTML page, "" of other text."""
    title = re.search(r"<title[^>]*>(.*?)</title>", text[:5000], re.I | re.S)
    return " ".join(title.group(1).split())[:TEXT_LIMIT] if title else ""


def http_date(text: Optional[str]) -> Optional[float]:
    """The seconds since 1970 of a date in a header, None if it is none."""
    try:
        return email.utils.parsedate_to_datetime(text or "").timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def parse_retry_after(headers: email.message.Message) -> Optional[float]:
    """Seconds that a reply asks to wait; a date counts from the reply's own Date."""
    with contextlib.suppress(ValueError):
        return float(headers.get("Retry-After-Ms", "")) / 1000
    with contextlib.suppress(ValueError):
        return float(headers.get("Retry-After", ""))
    date = http_date(headers.get("Retry-After"))
    if date is None:
        return None
    return max(0.0, date - (http_date(headers.get("Date")) or time.time()))


def parse_retry_at(message: str) -> Optional[datetime]:
    """The time in a quota's message. It has no zone and is UTC+8.

    One in the past or over 32 days ahead is ignored:
    https://github.com/can1357/oh-my-pi/issues/11014
    """
    stamp = re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", message)
    if stamp is None:
        return None
    with contextlib.suppress(ValueError):
        at = datetime.strptime(stamp.group() + "+0800", "%Y-%m-%d %H:%M:%S%z")
        if timedelta(0) < at - datetime.now(timezone.utc) < timedelta(days=32):
            return at
    return None


def choices_of(body: Any) -> List[Any]:
    """The choices of a reply or a chunk; a finish_reason "null" or "" becomes None."""
    choices: List[Any] = body.get("choices") or []
    for choice in choices:
        if choice.get("finish_reason") in ("null", ""):
            choice["finish_reason"] = None
    return choices


def arguments_text(arguments: Any) -> str:
    """The arguments of a tool call as text: some servers send an object, or null."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else to_json(arguments).decode()


def raise_if_broken_off(completion: Completion) -> None:
    """Raise StreamInterruptedError if a finish_reason says that the server broke the answer off."""
    for choice in completion.choices:
        reason = str(choice.finish_reason)
        if reason in BROKEN_OFF:
            raise StreamInterruptedError(
                f"the server broke the answer off (finish_reason {reason})",
                finish_reason=reason,
                partial=completion,
                retryable=reason == "network_error",
            )


class Answer:
    """The completion that the chunks of a stream make, as far as they came."""

    def __init__(self, number: int) -> None:
        self.number = max(1, number)  # of the choices that were asked for
        self.done = False  # [DONE] came
        self._head = Record()
        self._choices: Dict[int, Any] = {}
        self._texts: Dict[Tuple[int, str], List[str]] = collections.defaultdict(list)
        self._latest: Dict[Tuple[int, Any], Any] = {}  # tool calls by (choice, index)

    @property
    def proved(self) -> bool:
        """Whether the end came: [DONE], or a finish_reason of every choice."""
        ends = [choice.finish_reason for choice in self._choices.values()]
        return self.done or (len(ends) >= self.number and all(ends))

    @property
    def completion(self) -> Completion:
        """The answer in the form of a reply that is not streamed."""
        for (index, name), pieces in self._texts.items():
            self._choices[index].message[name] = "".join(pieces)
        choices = [self._choices[index] for index in sorted(self._choices)]
        return Completion(self._head, object="chat.completion", choices=choices)

    def add(self, chunk: Any) -> None:
        """Add what a chunk brings; raise one of MALFORMED if it is none."""
        for name, value in chunk.items():
            if value is not None:
                self._head[name] = value
        for part in choices_of(chunk):
            # Some servers count the chunks in `index`, or begin with 1:
            # https://github.com/huggingface/text-generation-inference/issues/1648
            index = part["index"] = (part.get("index") or 0) if self.number > 1 else 0
            if index not in self._choices:
                message = Record(role="assistant", content="")
                self._choices[index] = Record(index=index, finish_reason=None, message=message)
            choice = self._choices[index]
            # A server that does not stream sends a message in place of a delta.
            delta = part["delta"] = part.get("delta") or part.get("message") or Record()
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            for name, text in (("content", delta.get("content")), ("reasoning_content", thought)):
                if text and isinstance(text, str):  # agents send objects
                    self._texts[index, name].append(text)
            for fragment in delta.get("tool_calls") or ():
                self.add_fragment(choice, fragment)
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]

    def add_fragment(self, choice: Any, fragment: Any) -> None:
        """Add a part of a tool call; its arguments are {} until text of them comes.

        It belongs to the call with its id; else it begins one, if it brings a new id and a name, or
        a name under a new index; else to the latest under its index; else to the last. Some servers
        give all calls one index (huggingface/smolagents#1958), some a new id to each fragment
        (mistralai/mistral-vibe#1127).
        """
        function: Any = fragment.function or Record()
        calls = choice.message.setdefault("tool_calls", [])
        latest = self._latest.get((choice.index, fragment.index))
        same_id = [call for call in calls if fragment.id and call.id == fragment.id]
        if same_id:
            call = same_id[-1]
        elif not calls or (function.name and (fragment.id or not latest)):
            call = Record(fragment, function=Record(function, arguments="{}"))
            call.pop("index", None)
            calls.append(call)
            choice.message["content"] = choice.message.content or None
        else:
            call = latest or calls[-1]
        if fragment.index is not None:
            self._latest[choice.index, fragment.index] = call
        arguments = arguments_text(function.arguments)
        if arguments:
            before = call.function.arguments
            call.function["arguments"] = arguments if before == "{}" else before + arguments
        call["id"] = call.id or fragment.id
        call.function["name"] = call.function.name or function.name


def read_chunks(reply: Reply, answer: Answer) -> "Generator[Chunk, None, None]":
    """Yield the chunks of a streamed reply and add them to the answer.

    Raise if it ends before the answer is proved whole; later failures are ignored.
    """
    received = reply.iter_bytes(StreamInterruptedError)
    try:
        for event, data in iter_sse(iter_lines(received)):
            if event == "ping" or not data:
                continue
            if event == "error":
                raise reply.refusal(data)
            if data.startswith("[DONE]"):
                answer.done = True
                break
            yield reply.chunk(data, answer)
        if answer.done:  # read to the end, so that the connection can be kept
            reply.call.end = min(reply.call.end, time.monotonic() + DRAIN_LIMIT)
            collections.deque(received, maxlen=0)
        elif not answer.proved:
            raise StreamInterruptedError(
                "the stream ended without [DONE] and without a finish_reason", retryable=True
            )
    except GLMError as error:
        if not answer.proved:
            completion = answer.completion
            error.partial = completion if completion.choices else None
            raise
    finally:
        reply.close()
    raise_if_broken_off(answer.completion)


class Stream:
    """The chunks of an answer: iterate over it, use it in a `with` block, close it from any thread.

    Making one reads the first chunk. `completion` is the answer as far as it came. It is whole once
    [DONE] or a finish_reason of every choice came; a stream that ends before raises
    StreamInterruptedError. Every failure has the answer so far in `partial`.
    """

    def __init__(self, reply: Reply, number: int = 1) -> None:
        self._call = reply.call
        self._answer = Answer(number)
        self._chunks = read_chunks(reply, self._answer)
        self._end: Optional[Exception] = None  # that every later next() raises
        self._first: Optional[Chunk] = next(self._chunks, None)
        try:
            raise_if_broken_off(self.completion)  # a retry is possible now, and never again
        except GLMError:
            self._chunks.close()
            raise

    @property
    def completion(self) -> Completion:
        """The answer so far, in the form of a reply that is not streamed."""
        return self._answer.completion

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Chunk:
        if self._end is not None:
            raise copy.copy(self._end)
        chunk, self._first = self._first, None
        if chunk is not None:
            return chunk
        try:
            return next(self._chunks)
        except (GLMError, ValueError) as error:  # ValueError: another thread is in it
            if self._end is not None:
                raise copy.copy(self._end) from None
            if isinstance(error, GLMError):
                self._end = copy.copy(error)  # without its frames, which hold this stream
            raise

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stream, unless it is over; a thread that iterates comes to the end at once."""
        self._end = StopIteration()
        self._call.cancel()
        with contextlib.suppress(ValueError):  # another thread reads now, and closes itself
            self._chunks.close()


class Content:
    """A binary reply, read when it is used: whole, as it comes, or into a file."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._data: Optional[bytes] = None
        self._streamed = False

    def read(self) -> bytes:
        """All of it, as often as you like."""
        if self._data is None:
            self._data = b"".join(self.iter_bytes())
        return self._data

    content = property(read)

    @property
    def text(self) -> str:
        """All of it as text, by the charset of its Content-Type, else UTF-8."""
        return self._reply.text(self.read())

    def iter_bytes(self) -> Iterator[bytes]:
        """Its bytes as they come. Nothing is kept, so it can be read only once in this way."""
        if self._data is not None:
            return iter([self._data])
        if self._streamed:
            raise GLMValueError("this content was read already and not kept: ask for it again")
        self._streamed = True
        return self._reply.iter_bytes()

    def write_to_file(self, file: Any) -> None:
        """Write it to the file of this path, which is opened when the first bytes are there."""
        chunks = self.iter_bytes()
        first = next(chunks, b"")
        with open(file, "wb") as target:
            target.write(first)
            target.writelines(chunks)

    stream_to_file = write_to_file

    def close(self) -> None:
        """Close the connection, if the content was not read."""
        self._reply.close()


# -- Messages --------------------------------------------------------------------------------------

IMAGE_TYPES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF....WEBP": "image/webp",
}


def image_part(image: Any, raw: bool = False) -> Dict[str, Any]:
    """A part of a message from a path, bytes or a URL (http, https or data).

    raw: send bare base64 and no data URL; some models want that.
    """
    url = image
    if not isinstance(image, str) or not re.match("(https?|data):", image):
        data = file_content(image)
        types = [kind for start, kind in IMAGE_TYPES.items() if re.match(start, data, re.S)]
        if not types:
            raise GLMValueError(f"image: {str(image)[-80:]} is not a PNG, JPEG, GIF or WebP")
        url = base64.b64encode(data).decode()
        if not raw:
            url = f"data:{types[0]};base64,{url}"
    return {"type": "image_url", "image_url": {"url": url}}


def file_content(source: Any) -> bytes:
    """The bytes of a path, of an open binary file, or as they are."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return file.read()
    data = source.read() if hasattr(source, "read") else source
    if not isinstance(data, (bytes, bytearray)):
        raise GLMValueError(f"a path, bytes or a binary file is wanted, not {type(data).__name__}")
    return bytes(data)


def user_message(text: str, images: Iterable[Any] = ()) -> Dict[str, Any]:
    """A message of the user; an image is what image_part takes, or a part that it made."""
    if not isinstance(text, str) or isinstance(images, (str, bytes)):
        raise GLMValueError("a prompt must be text, and images a list")
    parts: List[Any] = [part if isinstance(part, dict) else image_part(part) for part in images]
    if not parts:
        return {"role": "user", "content": text}
    if text:  # the service refuses a part of empty text
        parts.append({"type": "text", "text": text})
    return {"role": "user", "content": parts}


def system_messages(system: Optional[str]) -> List[Dict[str, Any]]:
    """The messages that a conversation begins with."""
    return [{"role": "system", "content": system}] if system else []


def text_of(completion: Completion) -> str:
    """The text of an answer; FinishReasonError where there is none, or something stopped it.

    Text that max_tokens has cut (finish_reason "length") is returned.
    """
    choice: Any = completion.choices[0] if completion.choices else Record(message=Record())
    text = choice.message.content
    reason = choice.finish_reason
    problems = {
        "sensitive": "the content filter stopped the answer",
        "content_filter": "the content filter stopped the answer",
        "model_context_window_exceeded": "the answer does not fit the context: shorten the input",
        "tool_calls": "the model asks for tools: chat.completions.create shows which",
    }
    problem = problems.get(str(reason))
    if problem is None and isinstance(text, str) and text:
        return text
    if reason == "length":
        problem = "max_tokens went into thinking: raise it, or use thinking=False"
    filtered = reason in ("sensitive", "content_filter")
    raise FinishReasonError(
        problem or f"the answer is empty, or no text (finish_reason {reason})",
        finish_reason=reason,
        partial=completion,
        exit_code=5 if filtered else None,
    )


def iter_text(stream: Stream) -> Iterator[str]:
    """The text of a streamed answer, of the first choice, as it comes; at its end as text_of."""
    with stream:
        for chunk in stream:
            for choice in chunk.choices or ():
                if choice.index == 0 and isinstance(choice.delta.content, str):
                    yield choice.delta.content
    text_of(stream.completion)


def multipart(fields: Mapping[str, Any], files: Mapping[str, Any]) -> Tuple[bytes, Dict[str, str]]:
    """Body and header of multipart form data: https://www.rfc-editor.org/rfc/rfc7578

    A file is a path, bytes, a binary file, (name, one of these) or (name, one of these, type).
    """
    boundary = os.urandom(16).hex()
    parts = [field_part(name, value) for name, value in fields.items() if value is not None]
    parts += [file_part(name, source) for name, source in files.items()]
    pieces = []
    for head, content in parts:
        start = f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n"
        # Paths that no locale can read hold surrogates.
        pieces += [start.encode("utf-8", "surrogateescape"), content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), {"Content-type": "multipart/form-data; boundary=" + boundary}


def field_part(name: str, value: Any) -> Tuple[str, bytes]:
    """The head and the content of a field: text as it is, anything else as JSON."""
    content = value.encode() if isinstance(value, str) else to_json(value)
    return f'name="{form_name(name)}"', content


def file_part(name: str, source: Any) -> Tuple[str, bytes]:
    """The head and the content of what the caller gave as a file."""
    types: List[str] = []
    if isinstance(source, tuple) and len(source) in (2, 3):
        filename, source, *types = source
    else:
        path = source if isinstance(source, str) else getattr(source, "name", name)
        filename = os.path.basename(str(path))
    content = file_content(source)
    if not content:
        raise GLMValueError(f"{name}: the file is empty")
    guessed = mimetypes.guess_type(str(filename))[0] or "application/octet-stream"
    content_type = (types and types[0]) or guessed
    if re.search("[\r\n]", content_type):
        raise GLMValueError(f"{name}: the type of a file is one line of text")
    names = f'name="{form_name(name)}"; filename="{form_name(str(filename))}"'
    return f"{names}\r\nContent-Type: {content_type}", content


def form_name(name: str) -> str:
    """A name as forms write it: https://html.spec.whatwg.org/multipage/#multipart-form-data"""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


# -- Requests --------------------------------------------------------------------------------------

# Which key goes where:
#   api_key=, GLM_API_KEY            to any base URL
#   ZAI_API_KEY                      to official hosts and to the host of ZAI_BASE_URL
#   ZHIPUAI_API_KEY, ZHIPU_API_KEY   to official hosts and to the host of ZHIPUAI_BASE_URL
# so a vendor's key does not reach another server because both happen to be configured.
#
# In which form:
#   as a signed token, so that the secret stays here    a key id.secret to the base "bigmodel"
#   as it is                                            any other
# unless auth= or GLM_AUTH say "jwt" or "key". A key of another form cannot sign: it goes as it is.


class APIClient:
    """What all endpoints of a client share: where requests go, how they are signed and repeated."""

    def __init__(
        self,
        api_key: Optional[str],
        base_url: Optional[str],
        auth: Optional[str],
        timeout: Any,
        max_retries: int,
        default_headers: Optional[Mapping[str, str]],
        proxy: Union[str, bool, None],
        ca_file: Optional[str],
        opener: Any,
        environment: Mapping[str, str],
    ) -> None:
        self.base_url = to_base_url(base_url or "")
        self.official = is_official(self.base_url)
        self.key, self.key_source = find_key(api_key, self.base_url, environment)
        if self.official and not self.key:
            raise GLMValueError(self.key_source, status_code=401, exit_code=3)
        self.auth = choose_auth(auth or environment["GLM_AUTH"], self.key, self.base_url)
        self.clock_offset = 0.0  # seconds from our clock to the server's
        self.timeout = to_timeout(timeout)
        if not isinstance(max_retries, int):
            raise GLMValueError("max_retries must be a whole number")
        self.max_retries = max_retries
        own = {"User-agent": "glm.py/" + __version__}
        self.headers = {**own, **to_headers(default_headers, "default_headers")}
        self.pool = KeepAliveHandler(proxy, ca_file)
        self.opener = opener
        if opener is None:
            self.opener = urllib.request.OpenerDirector()
            self.opener.add_handler(self.pool)

    def __reduce__(self) -> Any:
        raise TypeError(
            "a client holds a key and connections and cannot be pickled: make it in the worker"
        )

    def request(
        self,
        method: str,
        path: str,
        body: Any,
        query: Any,
        files: Any,
        reply: str,
        timeout: Any,
        extra_headers: Any,
    ) -> Any:
        """Send a request with one deadline, as often as `retry` says, and return what it gave."""
        read = reader(reply, body)
        url = self.url(method, path, query)
        data, content_type = encode_body(body, files)
        headers = {**self.headers, **content_type, **to_headers(extra_headers, "extra_headers")}
        call = Call(self.timeout if timeout is None else to_timeout(timeout), f"{method} {url}")

        def sign_and_send() -> Any:
            request = Request(url, data, method=method)
            request.call = call
            # No other host sees these; the caller's own Authorization wins.
            request.unredirected_hdrs = {**self.authorization(call), **headers}
            return self.send(request, read)

        def attempt() -> Any:
            try:
                return sign_and_send()
            except APIAuthenticationError as error:
                if not self.correct_clock(error, call):
                    raise
            return sign_and_send()

        return retry(attempt, max_retries=self.max_retries, deadline=call.end, sleep=call.sleep)

    def url(self, method: str, path: str, query: Any) -> str:
        """The URL of a request."""
        if not re.fullmatch("[A-Z]+ /[!-~]*", f"{method} {path}"):
            raise GLMValueError('request: the method is like "GET", the path like "/files"')
        fields = urllib.parse.urlencode(without_none(as_dict(query, "query")), doseq=True)
        mark = "&" if "?" in path else "?"
        return self.base_url + path + (mark + fields if fields else "")

    def send(self, request: Request, read: Callable[[Reply], Any]) -> Any:
        """Send a request and read its reply; whatever is not a 2xx raises."""
        call = request.call
        # What errors and logs must mask: the key, its secret half, and what the headers carry (a
        # token, or the caller's own key).
        sent = [word for name in KEY_HEADERS for word in request.get_header(name, "").split()[-1:]]
        call.secrets += [self.key, self.key.rpartition(".")[2], *sent]
        started = time.monotonic()
        status = None
        try:
            reply = Reply(self.open(request), call, self.hints)
            status = reply.status
            if not 200 <= status < 300:
                raise reply.refusal()
            result = read(reply)
        except GLMError as error:
            log_attempt(call, status, error, started)
            raise
        log_attempt(call, status, getattr(result, "completion", result), started)
        return result

    def open(self, request: Request) -> Any:
        """The response of urllib's opener."""
        call = request.call
        try:
            return self.opener.open(request, timeout=call.time_left(call.timeout.read))
        except urllib.error.HTTPError as error:
            return error  # other openers raise a refusal; it is a response all the same
        except GLMError:
            raise
        except NETWORK_ERRORS as error:
            raise network_error(error, call) from shown_cause(error, call)

    def authorization(self, call: Call) -> Dict[str, str]:
        """The header with the key or a token that it signs; none without a key."""
        credential = self.key
        if self.auth == "jwt":
            call.signing_offset = self.clock_offset
            credential = generate_token(self.key, TOKEN_LIFETIME, time.time() + call.signing_offset)
        return {"Authorization": "Bearer " + credential} if credential else {}

    def correct_clock(self, error: APIAuthenticationError, call: Call) -> bool:
        """Take over the server's clock from the refusal of a token.

        True if the token was signed by a clock that is off, so that a new one may pass.
        """
        row = ERROR_CODES.get(error.code or "")
        if self.auth != "jwt" or error.date is None or row is None or row.retry != "sign":
            return False
        self.clock_offset = error.date - time.time()
        return abs(self.clock_offset - call.signing_offset) > CLOCK_TOLERANCE

    def hints(self, status: int, code: str) -> List[str]:
        """Likely reasons of a refusal beyond what the server says."""
        refused = status in (401, 403)
        misdirected = status in (401, 404) or code == "1113"
        others = ", ".join(url for url in BASE_URLS.values() if url != self.base_url)
        hints = {
            PROXY_LOGIN: status == 407,
            self.key_source: refused and not self.key,  # why there is none
            'auth="key" sends the key itself': refused and self.auth == "jwt",
            f"the key may belong to another base_url: {others}": misdirected and self.official,
            "is the base_url right? Most end in /v1": status == 404 and not self.official,
        }
        return [hint for hint, applies in hints.items() if applies]


KEY_HEADERS = ("Authorization", "X-api-key")  # in which a caller may send a key of another kind


def encode_body(body: Any, files: Any) -> Tuple[Optional[bytes], Dict[str, str]]:
    """The body of a request as it is sent, and the header for its type."""
    if files:
        return multipart(as_dict(body, "body"), as_dict(files, "files"))
    if body is None:
        return None, {}
    data = body if isinstance(body, bytes) else to_json(body)
    return data, {"Content-type": "application/json"}


def log_attempt(call: Call, status: Optional[int], outcome: Any, started: float) -> None:
    """Write the one debug record of an attempt, the server's words without secrets and escaped."""
    logger = logging.getLogger("glm")
    if not logger.isEnabledFor(logging.DEBUG):
        return
    names = ("code", "request_id", "usage")
    facts = [call.mask(repr(getattr(outcome, name, None))) for name in names]
    seconds = time.monotonic() - started
    message = "%s: status %s, code %s, request %s, tokens %s, %.3f s"
    logger.debug(message, call.target, status, *facts, seconds)


def to_base_url(url: str) -> str:
    """A base URL from a URL or a name of BASE_URLS, without a trailing slash."""
    url = url.strip()
    url = re.sub("/+(chat/completions)?/*$", "", BASE_URLS.get(url, url))
    with contextlib.suppress(ValueError):  # of the port
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        plain = re.fullmatch("[!-~]+", url) and not re.search("[#?]", url)
        if good and plain and "@" not in parts.netloc:
            return url
    raise GLMValueError(
        "base_url or GLM_BASE_URL: http(s)://host:port/path, no user, password, ? and #, or one of "
        + ", ".join(BASE_URLS)
    )


def origin(url: str) -> str:
    """Scheme, host and port of a URL."""
    return "/".join(url.strip().lower().split("/")[:3])


def is_official(base_url: str) -> bool:
    """Whether a URL is at one of the vendor's hosts."""
    return origin(base_url) in map(origin, BASE_URLS.values())


def find_key(
    api_key: Optional[str], base_url: str, environment: Mapping[str, str]
) -> Tuple[str, str]:
    """The key that may go to this base URL, and its source; or "" and why there is none."""
    if api_key:
        return to_key(api_key, "api_key"), "api_key"
    reason = (
        f"no API key: set {' or '.join(KEY_VARIABLES)}, or pass api_key= (OPENAI_API_KEY is not"
        f" read); keys are made at {KEY_PAGES}"
    )
    for name, base_url_variable in KEY_VARIABLES.items():
        key = to_key(environment[name], name)
        may_go = (
            base_url_variable is None
            or is_official(base_url)
            or origin(environment[base_url_variable]) == origin(base_url)
        )
        if key and may_go:
            return key, name
        if key:
            reason = f"no key was sent: {name} is for its vendor's hosts; set GLM_API_KEY for this"
    return "", reason


def to_key(text: Any, source: str) -> str:
    """Strip white space, quotes and a leading Bearer from a pasted key."""
    if isinstance(text, str):
        key = re.sub("^Bearer ", "", text.strip().strip("\"'").strip()).strip()
        if re.fullmatch("[ -~]*", key):
            return key
    raise GLMValueError(
        f"{source}: a key is one line of ASCII text without control characters",
        status_code=401,
        exit_code=3,
    )


def choose_auth(auth: Optional[str], key: str, base_url: str) -> str:
    """In which form the key goes: "jwt" or "key"."""
    auth = auth or ("jwt" if base_url.lower() == BASE_URLS["bigmodel"] else "key")
    if auth not in ("jwt", "key"):
        raise GLMValueError('auth: "jwt", "key" or None')
    return auth if re.fullmatch(r"[^.]+\.[^.]+", key) else "key"


def to_headers(headers: Any, source: str) -> Dict[str, str]:
    """Headers by their names as urllib spells them; an error for what cannot be one."""
    checked = {}
    for name, value in as_dict(headers, source).items():
        texts = isinstance(name, str) and isinstance(value, str)
        if not texts or not re.fullmatch("[!-9;-~]+:[\t -~]*", f"{name}:{value}"):
            raise GLMValueError(f"{source}: each name and value must be one line of ASCII text")
        if name.lower() in ("content-length", "transfer-encoding"):
            raise GLMValueError(f"{source}: {name} follows from the body")
        checked[name.capitalize()] = value
    return checked


def as_dict(value: Any, source: str) -> Dict[str, Any]:
    """A copy of what the caller gave as a mapping, or as None."""
    if value is None:
        return {}
    if not hasattr(value, "items"):
        raise GLMValueError(f"{source}: a dict is wanted, not {type(value).__name__}")
    return dict(value.items())


def without_none(fields: Mapping[str, Any]) -> Dict[str, Any]:
    """The fields that were given: None means left out."""
    return {name: value for name, value in fields.items() if value is not None}


READERS: Dict[str, Callable[[Reply], Any]] = {
    "json": Reply.json,
    "completion": Reply.completion,
    "stream": Stream,
    "bytes": Reply.read,
    "content": Content,
    "response": Reply.raw_reply,
}


def reader(reply: str, body: Any) -> Callable[[Reply], Any]:
    """What reads a reply of this kind."""
    if reply not in READERS:
        raise GLMValueError(f"reply: one of {', '.join(READERS)}")
    number = body.get("n") if isinstance(body, dict) else None
    if reply == "stream" and isinstance(number, int):
        return functools.partial(Stream, number=number)
    return READERS[reply]


# -- Endpoints -------------------------------------------------------------------------------------


class Resource:
    """A group of endpoints."""

    def __init__(self, api: APIClient) -> None:
        self._api = api


def route(method: str, path: str, *, form: str = "", reply: str = "json") -> Callable[..., Any]:
    """A method of a Resource that calls one endpoint.

    form: the field that is a file; if it is given, the fields go as a form and not as JSON.
    """
    parameters = re.findall(r"\{(\w+)\}", path)

    def call(
        self: Resource,
        *ids: Any,
        timeout: Any = None,
        extra_headers: Any = None,
        extra_query: Any = None,
        extra_body: Any = None,
        **fields: Any,
    ) -> Any:
        if len(ids) > len(parameters):
            raise TypeError(f"{method} {path}: give the fields by name")
        fields = without_none({**fields, **dict(zip(parameters, ids))})
        values = {parameter: path_value(fields, parameter) for parameter in parameters}
        files = {form: fields.pop(form)} if form in fields else None
        fields.update(as_dict(extra_body, "extra_body"))
        query = as_dict(extra_query, "extra_query")
        if method in ("GET", "DELETE"):
            query.update(fields)
            fields = {}
        body = fields or None  # a POST without fields has no body
        kind = "stream" if fields.get("stream") else reply
        target = path.format(**values)
        return self._api.request(method, target, body, query, files, kind, timeout, extra_headers)

    call.__doc__ = f"{method} {path}; the fields by name. stream=True returns a Stream."
    return call


def path_value(fields: Dict[str, Any], parameter: str) -> str:
    """A parameter of a path, taken out of the fields and quoted."""
    if parameter not in fields:
        raise TypeError(f"{parameter} is missing")
    value = str(fields.pop(parameter))
    if value in ("", ".", ".."):
        raise GLMValueError(f"{parameter}: {value!r} names nothing")
    return urllib.parse.quote(value, safe="")


def pages(path: str) -> Callable[..., Any]:
    """A method of a Resource that lists: it returns a Page.

    For replies with `data` and `has_more`; any other list is a `route`.
    """
    get = route("GET", path)

    def call(self: Resource, *ids: Any, **fields: Any) -> Any:
        body = get(self, *ids, **fields)
        if not isinstance(body, dict):
            return body
        return Page(body).with_next(lambda last: call(self, **{**fields, "after": last}))

    call.__doc__ = f"GET {path}: its fields by name. Iterating fetches the pages after the first."
    return call


class Completions(Resource):
    """client.chat.completions"""

    _post = route("POST", "/chat/completions", reply="completion")
    _list_models = route("GET", "/models")
    _only_model: Optional[str] = None

    @overload
    def create(
        self, *, messages: Any, stream: "Optional[Literal[False]]" = None, **params: Any
    ) -> Completion: ...

    @overload
    def create(self, *, messages: Any, stream: "Literal[True]", **params: Any) -> Stream: ...

    @overload
    def create(
        self, *, messages: Any, stream: Optional[bool], **params: Any
    ) -> Union[Completion, Stream]: ...

    def create(
        self,
        *,
        messages: Any,
        model: Optional[str] = None,
        thinking: Any = None,
        **params: Any,
    ) -> Any:
        """Ask for an answer: a Completion, or with stream=True a Stream of Chunks.

        model: else GLM_MODEL; else a free one of the vendor's, or another server's only model.
        thinking=True or False is spelled as the host wants it, a dict goes through. timeout,
        extra_headers, extra_query and extra_body (which is merged into the request) are for this
        call alone; every other parameter goes to the server as it is, and None is left out.
        """
        valid = isinstance(messages, (list, tuple)) and all(isinstance(m, dict) for m in messages)
        if not valid or not messages:
            raise GLMValueError('messages: a list like [{"role": "user", "content": "..."}]')
        if isinstance(thinking, bool) and self._api.official:
            thinking = {"type": "enabled" if thinking else "disabled"}
        elif isinstance(thinking, bool):  # vLLM and SGLang: zai-org/GLM-4.5#42
            template = params.get("chat_template_kwargs") or {}
            params["chat_template_kwargs"] = {**template, "enable_thinking": thinking}
            thinking = None
        model = model or os.environ.get("GLM_MODEL") or self._default_model(messages, params)
        return self._post(model=model, messages=messages, thinking=thinking, **params)

    def _default_model(self, messages: Iterable[Any], params: Mapping[str, Any]) -> str:
        """A free model of the vendor, or the only one of another server, asked for once."""
        if self._api.official:
            return IMAGE_MODEL if any(map(has_image, messages)) else TEXT_MODEL
        if self._only_model is None:
            listing = self._list_models(
                timeout=params.get("timeout"), extra_headers=params.get("extra_headers")
            )
            names = [str(model.id) for model in getattr(listing, "data", None) or ()]
            if len(names) != 1:
                listed = ", ".join(names) or "which it does not list"
                raise GLMValueError(
                    f"name one of the server's models (model=, GLM_MODEL): {listed}"
                )
            self._only_model = names[0]
        return self._only_model


def has_image(message: Mapping[str, Any]) -> bool:
    """Whether a message shows an image."""
    content = message.get("content")
    return isinstance(content, list) and any("image_url" in part for part in content)


class AsyncCompletions(Resource):
    """client.chat.asyncCompletions"""

    create = route("POST", "/async/chat/completions")
    retrieve_completion_result = route("GET", "/async-result/{id}")


class Chat(Resource):
    """client.chat"""

    def __init__(self, api: APIClient) -> None:
        super().__init__(api)
        self.completions = Completions(api)
        self.asyncCompletions = AsyncCompletions(api)  # the official SDKs' name


class Images(Resource):
    """client.images"""

    generations = generate = route("POST", "/images/generations")
    async_generations = route("POST", "/async/images/generations")
    retrieve_images_result = route("GET", "/async-result/{id}")


class Videos(Resource):
    """client.videos"""

    generations = route("POST", "/videos/generations")
    retrieve_videos_result = route("GET", "/async-result/{id}")


class Embeddings(Resource):
    """client.embeddings"""

    create = route("POST", "/embeddings")


class Assistant(Resource):
    """client.assistant"""

    conversation = route("POST", "/assistant")


class Files(Resource):
    """client.files"""

    create = route("POST", "/files", form="file")
    list = pages("/files")
    content = route("GET", "/files/{file_id}/content", reply="content")
    delete = route("DELETE", "/files/{file_id}")


class Batches(Resource):
    """client.batches"""

    create = route("POST", "/batches")
    retrieve = route("GET", "/batches/{batch_id}")
    list = pages("/batches")
    cancel = route("POST", "/batches/{batch_id}/cancel")


class WebSearch(Resource):
    """client.web_search"""

    web_search = route("POST", "/web_search")


class WebReader(Resource):
    """client.web_reader; the service's own field `timeout` goes into extra_body."""

    web_reader = route("POST", "/reader")


class Moderations(Resource):
    """client.moderations"""

    create = route("POST", "/moderations")


class Rerank(Resource):
    """client.rerank"""

    create = route("POST", "/rerank")


class Transcriptions(Resource):
    """client.audio.transcriptions"""

    create = route("POST", "/audio/transcriptions", form="file")


class Audio(Resource):
    """client.audio"""

    speech = route("POST", "/audio/speech", reply="content")

    def __init__(self, api: APIClient) -> None:
        super().__init__(api)
        self.transcriptions = Transcriptions(api)


class Models(Resource):
    """client.models"""

    list = pages("/models")


class LayoutParsing(Resource):
    """client.layout_parsing"""

    create = route("POST", "/layout_parsing")


class Agents(Resource):
    """client.agents; under the base URL, as the official SDKs have it."""

    invoke = route("POST", "/v1/agents")
    async_result = route("POST", "/v1/agents/async-result")


class Tokenizer(Resource):
    """client.tokenizer"""

    create = route("POST", "/tokenizer")


# -- Client ----------------------------------------------------------------------------------------

Client = TypeVar("Client", bound="GLM")


class GLM:
    """A client for one base URL. Threads can share it; a forked process makes its own connections.

    api_key: else GLM_API_KEY, ZAI_API_KEY, ZHIPUAI_API_KEY or ZHIPU_API_KEY; keys from the last
    three are sent only to the vendor's hosts and to the one in the matching *_BASE_URL.
    base_url: a URL or a name of BASE_URLS; else GLM_BASE_URL, ZAI_BASE_URL or ZHIPUAI_BASE_URL,
    else BigModel's.
    auth: "jwt" sends a signed token, "key" the key; None a token where BigModel takes it.
    timeout: see Timeout. max_retries: see retry.
    proxy: a URL, or False; else the environment's.
    ca_file: certificates to trust besides the system's.
    opener: an opener of urllib.request in place of our transport.

    Use it in a `with` block, or `close` it; one that is dropped closes its connections too.
    `base_url`, `auth` ("" without a key), `key_source` (a variable, "api_key", or why there is no
    key), `timeout` and `max_retries` tell what it uses.
    """

    default_base_url = "bigmodel"

    def __init__(
        self,
        api_key: Optional[str] = None,
        base_url: Optional[str] = None,
        *,
        auth: Optional[str] = None,
        timeout: Any = TIMEOUT,
        max_retries: int = 3,
        default_headers: Optional[Mapping[str, str]] = None,
        proxy: Union[str, bool, None] = None,
        ca_file: Optional[str] = None,
        opener: Any = None,
    ) -> None:
        # Copies of the client see these, too, whatever has become of the environment.
        variables = (*KEY_VARIABLES, *BASE_URL_VARIABLES, "GLM_AUTH")
        environment = {name: os.environ.get(name, "") for name in variables}
        configured = [environment[name] for name in BASE_URL_VARIABLES]
        self._set_up(
            api_key=api_key,
            base_url=next(filter(None, [base_url, *configured, self.default_base_url])),
            auth=auth,
            timeout=timeout,
            max_retries=max_retries,
            default_headers=default_headers,
            proxy=proxy,
            ca_file=ca_file,
            opener=opener,
            environment=environment,
        )

    def _set_up(self, **options: Any) -> None:
        """Make the parts. A new option goes into __init__, its call of this, and APIClient."""
        self._options = options
        self._api = api = APIClient(**options)
        self.base_url = api.base_url
        self.auth = api.auth if api.key else ""
        self.key_source = api.key_source
        self.timeout = api.timeout
        self.max_retries = api.max_retries
        self.chat = Chat(api)
        self.images = Images(api)
        self.videos = Videos(api)
        self.embeddings = Embeddings(api)
        self.assistant = Assistant(api)
        self.files = Files(api)
        self.batches = Batches(api)
        self.web_search = WebSearch(api)
        self.web_reader = WebReader(api)
        self.moderations = Moderations(api)
        self.rerank = Rerank(api)
        self.audio = Audio(api)
        self.models = Models(api)
        self.layout_parsing = LayoutParsing(api)
        self.agents = Agents(api)
        self.tokenizer = Tokenizer(api)

    def with_options(self: Client, **changes: Any) -> Client:
        """A copy with some arguments changed; it shares the connections if they can be the same."""
        clone = object.__new__(type(self))
        vars(clone).update(vars(self))  # a subclass may have attributes of its own
        clone._set_up(**{**self._options, **changes})
        # What connections and clock depend on:
        if not changes.keys() & {"base_url", "proxy", "ca_file", "opener"}:
            clone._api.pool = self._api.pool
            clone._api.opener = self._api.opener
            clone._api.clock_offset = self._api.clock_offset
        return clone

    __copy__ = with_options

    def __deepcopy__(self: Client, memo: Any) -> Client:
        return self.with_options()

    def __reduce__(self) -> Any:
        return self._api.__reduce__()  # which says why not

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def __enter__(self: Client) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections; the client can go on."""
        self._api.pool.close()

    def ask(
        self,
        prompt: str,
        *,
        system: Optional[str] = None,
        images: Iterable[Any] = (),
        model: Optional[str] = None,
        **params: Any,
    ) -> str:
        """The text of the answer, as text_of returns it or raises."""
        messages = [*system_messages(system), user_message(prompt, images)]
        create = self.chat.completions.create
        return text_of(create(messages=messages, model=model, stream=None, **params))

    def stream(
        self,
        prompt: str,
        *,
        system: Optional[str] = None,
        images: Iterable[Any] = (),
        model: Optional[str] = None,
        **params: Any,
    ) -> Iterator[str]:
        """The text of the answer as it comes; at its end it raises as `ask` does."""
        messages = [*system_messages(system), user_message(prompt, images)]
        create = self.chat.completions.create
        return iter_text(create(messages=messages, model=model, stream=True, **params))

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Any = None,
        files: Any = None,
        reply: str = "json",
        timeout: Any = None,
        extra_headers: Any = None,
    ) -> Any:
        """Call any endpoint; path is what follows the base URL, body goes as JSON, or as bytes.

        files: {field: path, bytes, binary file or (name, one of these[, type])}; with it the body
        goes as a form. reply: "json" gives Records, "bytes" bytes, "content" a Content, "stream" a
        Stream, "response" an object with status, headers and body (of a 2xx; others raise).
        """
        return self._api.request(method, path, body, query, files, reply, timeout, extra_headers)

    def wait(self, task: Any, *, interval: float = 5, timeout: Optional[float] = None) -> Any:
        """Follow an asynchronous task, or its id, to its end, and return its result.

        It asks every `interval` seconds, for `timeout` seconds at most. Raises APIResponseError if
        the task does not succeed.
        """
        task_id = task if isinstance(task, str) else as_dict(task, "task").get("id") or ""
        # A Call, so that a Cancel reaches the pauses, too.
        call = Call(self.timeout._replace(total=timeout), f"waiting for task {task_id}")
        retrieve = self.chat.asyncCompletions.retrieve_completion_result  # any kind of task
        while True:
            result = retrieve(task_id, timeout=call.timeout._replace(total=call.time_left(None)))
            if result.task_status == "SUCCESS":
                return result
            if result.task_status not in ("PROCESSING", "SUBMITTED", "QUEUED"):
                raise APIResponseError(f"task {task_id} ended as {result.task_status}", body=result)
            call.sleep(call.time_left(interval))


class ZaiClient(GLM):
    """A client whose default base URL is that of Z.AI."""

    default_base_url = "zai"


ZhipuAI = ZhipuAiClient = OpenAI = GLM


def load_env(
    path: Any = ".env",
    override: bool = False,
    *,
    dotenv_path: Any = None,
    encoding: str = "utf-8",
) -> Dict[str, str]:
    """Set the environment variables of a .env file, and return all that it holds.

    Variables that are set stay as they are unless `override`. A file that is not there holds none.
    It is read as python-dotenv does, except that ${NAME} and a quote that does not end on its line
    are errors, which name the line. dotenv_path: python-dotenv's name for path.
    """
    path = dotenv_path or path
    if not os.path.exists(path):
        return {}
    variables: Dict[str, str] = {}
    where = str(path)
    try:
        with open(path, encoding=encoding) as file:
            lines = file.read().lstrip("\ufeff").split("\n")
        for number, line in enumerate(lines, 1):
            where = f"{path}, line {number}"
            variables.update(parse_env_line(line))
    except ValueError as error:  # of the line, or of the encoding
        raise GLMValueError(f"{where}: {error}") from None
    for name, value in variables.items():
        if override or name not in os.environ:
            try:
                os.environ[name] = value
            except UnicodeEncodeError:  # on 3.6 without a locale
                os.environ[name] = os.fsdecode(value.encode("utf-8"))
    return variables


# What a backslash stands before, in either kind of quotes.
ENV_ESCAPES = {"'": r"\\[\\']", '"': r"""\\[\\'"abfnrtv]"""}


def parse_env_line(line: str) -> Dict[str, str]:
    """The variable that a line of a .env file sets, if it sets one."""
    match = re.match(r"\s*(?:export\s+)?('?)([^\s=#']+)\1\s*=(.*)", line)
    if match is None:
        return {}
    _, name, text = match.groups()
    quoted = re.match(r"""\s*(['"])((?:\\.|(?!\1)[^\\])*)\1\s*(#.*)?$""", text)
    if quoted:
        quote, text, _ = quoted.groups()
        escape = ENV_ESCAPES[quote]
        value = re.sub(escape, lambda part: codecs.decode(part.group(), "unicode-escape"), text)
    else:
        value = re.split(r"\s#", text)[0].strip()
        if value.startswith(("'", '"')):
            raise ValueError("a quoted value must end on its line; only a comment may follow it")
    if "${" in value or "\0" in line:
        raise ValueError("${NAME} is not replaced here, and NUL is not allowed: write the value")
    return {name: value}


# -- Conversation ----------------------------------------------------------------------------------


class Conversation:
    """Several turns. One that fails or is abandoned leaves `messages` as they were."""

    def __init__(self, client: GLM, system: Optional[str] = None, **params: Any) -> None:
        self.client = client
        self.params = params
        self.messages: List[Any] = system_messages(system)

    def ask(self, prompt: str, images: Iterable[Any] = (), **params: Any) -> str:
        """The text of the answer; question and answer become part of `messages`."""
        question = user_message(prompt, images)
        params = {**self.params, **params, "messages": [*self.messages, question]}
        completion = self.client.chat.completions.create(**params)
        text = text_of(completion)
        self.messages += [question, completion.choices[0].message]
        return text

    def stream(self, prompt: str, images: Iterable[Any] = (), **params: Any) -> Iterator[str]:
        """The text of the answer as it comes; at its end the turn becomes part of `messages`."""
        question = user_message(prompt, images)
        params = {**self.params, **params, "messages": [*self.messages, question], "stream": True}
        return self._follow(question, self.client.chat.completions.create(**params))

    def _follow(self, question: Dict[str, Any], stream: Stream) -> Iterator[str]:
        yield from iter_text(stream)
        self.messages += [question, stream.completion.choices[0].message]


# -- Async -----------------------------------------------------------------------------------------

__all__ += ["AsyncGLM", "AsyncOpenAI", "AsyncConversation", "AsyncStream", "AsyncPage"]

END = object()  # what a thread returns for StopIteration, which no future can hold


class Workers:
    """Threads for blocking calls, started as they are needed; the process's exit waits for none."""

    def __init__(self, limit: int) -> None:
        self.limit = max(1, limit)
        self.begin()

    def begin(self) -> None:
        """Start from nothing; a forked process does, for its parent has the threads."""
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.jobs: Any = getattr(queue, "SimpleQueue", queue.Queue)()  # the former from 3.7 on
        self.count = 0
        self.idle = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Let a thread do the job, as soon as one of them is free."""
        if self.process != os.getpid():
            self.begin()
        with self.lock:
            if self.idle:
                self.idle -= 1
            elif self.count < self.limit:
                self.start()
        self.jobs.put(job)

    def start(self) -> None:
        """Start a thread; that the system has no more is an error only for the first."""
        try:
            threading.Thread(target=self.work, daemon=True).start()
            self.count += 1
        except RuntimeError:
            if not self.count:
                raise

    def work(self) -> None:
        """Do jobs, until none has come for a while."""
        while True:
            try:
                self.jobs.get(timeout=IDLE_LIMIT)()
                with self.lock:
                    self.idle += 1
            except queue.Empty:
                with self.lock:
                    if self.idle:
                        self.idle -= 1
                        self.count -= 1
                        return


async def in_thread(
    workers: Workers, cancel: Cancel, function: Callable[..., Any], *args: Any
) -> Any:
    """Return function(*args), called in a thread under `cancel`.

    If the task that waits is cancelled, it is back at once, and the calls are ended: the server
    sees their connections close.
    """
    import asyncio

    loop = asyncio.get_event_loop()
    future = loop.create_future()
    context = contextvars.copy_context() if contextvars else None

    def settle(result: Any, error: Optional[BaseException]) -> None:
        if future.done():
            discard(result)
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def job() -> None:
        result, error = None, None
        try:
            with cancel:
                result = context.run(function, *args) if context else function(*args)
        except BaseException as exception:
            error = exception
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the loop is closed
            discard(result)

    workers.submit(job)
    try:
        return await future
    except BaseException:
        cancel.cancel()
        raise


def discard(result: Any) -> None:
    """Close what nobody waits for any more."""
    if isinstance(result, (Stream, Content)):
        result.close()


class AsyncStream:
    """Chunks or text as they come: `async for`, `async with`, `await close()`.

    Each item is pulled by a thread when it is asked for, so a slow consumer slows the server down.
    """

    def __init__(self, workers: Workers, cancel: Cancel, items: Any) -> None:
        self._workers = workers
        self._cancel = cancel
        self._items = items  # a Stream or a generator

    @property
    def completion(self) -> Completion:
        """The answer so far, of a stream of chunks."""
        completion: Completion = self._items.completion
        return completion

    def __aiter__(self) -> "AsyncStream":
        return self

    async def __anext__(self) -> Any:
        item = await in_thread(self._workers, self._cancel, next, self._items, END)
        if item is END:
            raise StopAsyncIteration
        return item

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the stream, unless it is over."""
        self._cancel.cancel()
        with contextlib.suppress(ValueError):  # a thread is in it
            self._items.close()


def lazily(begin: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    """Yield the items of begin(), which is called when the first of them is asked for."""
    yield from begin()


class AsyncPage(Page):
    """A Page whose following pages are fetched by `async for`."""

    def with_stream(self, begin: Callable[[], AsyncStream]) -> "AsyncPage":
        """Let `async for` go over begin()."""
        object.__setattr__(self, "_begin", begin)
        return self

    def __aiter__(self) -> AsyncStream:
        stream: AsyncStream = vars(self)["_begin"]()
        return stream


class Awaited:
    """An object of the synchronous client, with its methods to be awaited."""

    def __init__(self, target: Any, workers: Workers) -> None:
        self._target = target
        self._workers = workers
        for name, group in vars(target).items():
            if isinstance(group, Resource):
                vars(self)[name] = Awaited(group, workers)

    if not TYPE_CHECKING:  # a checker knows the declared names alone

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):  # copies ask for such names before there is a target
                raise AttributeError(name)
            if isinstance(getattr(type(self._target), name, None), property):
                raise AttributeError(f"{name} would block: await a method")
            value = getattr(self._target, name)
            if not callable(value):
                return value
            if name in ("stream", "iter_bytes"):  # what they return is iterated over
                return functools.partial(self._iterate, value)
            return functools.partial(self._call, value)

    def _iterate(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> AsyncStream:
        begin = functools.partial(method, *args, **kwargs)
        return AsyncStream(self._workers, Cancel(), lazily(begin))

    async def _call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        cancel = Cancel()
        call = functools.partial(method, *args, **kwargs)
        result = await in_thread(self._workers, cancel, call)
        if isinstance(result, Stream):
            return AsyncStream(self._workers, cancel, result)
        if isinstance(result, Page):
            return AsyncPage(result).with_stream(functools.partial(self._iterate, iter, result))
        if isinstance(result, Content):
            return Awaited(result, self._workers)
        return result


class AsyncGLM(Awaited):
    """GLM for asyncio: the same arguments and methods, awaited, on threads.

    `await client.chat.completions.create(...)`, with stream=True an AsyncStream; `await
    client.ask(...)`; `async for piece in client.stream(...)`; all endpoints. Cancelling a task, as
    wait_for does, ends its call. max_concurrency: how many calls and items of streams can be waited
    for at once; more queue. A silent stream counts: it has a thread while it is waited for.
    """

    # For checkers; the attributes are those of the GLM.
    chat: Any
    images: Any
    videos: Any
    embeddings: Any
    assistant: Any
    files: Any
    batches: Any
    web_search: Any
    web_reader: Any
    moderations: Any
    rerank: Any
    audio: Any
    models: Any
    layout_parsing: Any
    agents: Any
    tokenizer: Any
    base_url: str
    ask: Callable[..., Awaitable[str]]
    stream: Callable[..., AsyncStream]
    request: Callable[..., Awaitable[Any]]
    wait: Callable[..., Awaitable[Any]]
    close: Callable[[], Awaitable[None]]

    def __init__(self, *args: Any, max_concurrency: int = 1000, **options: Any) -> None:
        super().__init__(GLM(*args, **options), Workers(max_concurrency))

    def with_options(self, **changes: Any) -> "AsyncGLM":
        """A copy with some arguments changed; it shares threads, and connections if it can."""
        clone = object.__new__(type(self))
        Awaited.__init__(clone, self._target.with_options(**changes), self._workers)
        return clone

    def __deepcopy__(self, memo: Any) -> "AsyncGLM":
        return self.with_options()

    def __repr__(self) -> str:
        return f"Async{self._target!r}"

    async def __aenter__(self) -> "AsyncGLM":
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._target.close()


AsyncOpenAI = AsyncGLM


class AsyncConversation(Awaited):
    """A Conversation whose `ask` is awaited and whose `stream` is for `async for`."""

    def __init__(self, client: AsyncGLM, system: Optional[str] = None, **params: Any) -> None:
        super().__init__(Conversation(client._target, system, **params), client._workers)


# -- Command line ----------------------------------------------------------------------------------

__all__ += ["main"]

DESCRIPTION = """\
Ask a GLM model. The answer, and nothing else, goes to stdout.

The prompt is the words, stdin, or both: a pipe beside words has 3 seconds to
begin, with the word - as long as it takes. (In a shell's `while read` loop,
add </dev/null, or the loop's input is taken for a prompt.) Without a prompt,
on a terminal, it is a conversation. The key is read from GLM_API_KEY,
ZAI_API_KEY, ZHIPUAI_API_KEY or ZHIPU_API_KEY, the URL from GLM_BASE_URL."""
EXIT_CODES = """\
exit codes: 0 fine, 1 other, 2 usage or unreadable file, 3 key, 4 quota or
balance, 5 content filter, 6 rate limit, 7 network or server, 8 answer broken
off, empty or past the context, 130 interrupted, 141 closed pipe"""
TALK_HELP = """\
Ctrl-C stops an answer, Ctrl-D or /exit ends the conversation.
/clear forgets what was said, /help lists this.
A \\ at the end of a line continues on the next; \"\"\" begins and ends several.
"""
READLINE_SETTINGS = """\
set enable-bracketed-paste on
set input-meta on
set output-meta on
set convert-meta off
tab: self-insert
"""  # the three with meta: for Chinese under LANG=C
OPTION_NAMES = (  # how the library's messages name an argument, and the option for it
    ("base_url", "--base-url"),
    ("ca_file:", "--ca-file:"),
    ("ca_file= or", "--ca-file or"),
    ("model=, GLM_MODEL", "-m or GLM_MODEL"),
    ("proxy=False or opener=", "--proxy off"),
    ("pass api_key=", "use --key-file"),
    ('auth="key"', "--auth key"),
    ("thinking=False", "--no-think"),
    ('thinking={"type": "enabled"} with reasoning_effort', "--think with --effort"),
)


def timeout(text: str) -> Any:
    """The value of --timeout. argparse says "invalid timeout value" where it raises."""
    if text.startswith("total="):
        return Timeout(total=float(text.replace("total=", "")))
    return float(text)


def to_proxy(text: str) -> Union[str, bool]:
    """The value of --proxy."""
    return False if text == "off" else text


def read_key(path: str) -> str:
    """The value of --key-file: what is in the file."""
    with open(path, "rb") as file:
        return decode(file.read())


OPTIONS: Tuple[Tuple[str, str, str, Dict[str, Any]], ...] = (
    # names, value, help, and what else argparse needs to know
    ("-m --model", "NAME", "else GLM_MODEL, else one that costs nothing", {}),
    ("-s --system", "TEXT", "system prompt", {}),
    ("-t --temperature", "X", "sampling temperature", {"type": float}),
    ("--max-tokens", "N", "limit, thinking included", {"type": int}),
    ("-i --image", "FILE|URL|-", "show an image", {"action": "append", "default": []}),
    ("-P --param", "KEY=JSON", "any other field", {"action": "append", "default": []}),
    ("--think", "", "think before the answer", {"default": None}),
    ("--no-think", "", "do not think", {"dest": "think", "action": "store_false"}),
    ("--effort", "LEVEL", "reasoning_effort: low, high, max", {}),
    ("--show-thinking", "", "thoughts to stderr", {}),
    ("--no-stream", "", "the answer in one piece", {}),
    ("--json", "", "the reply as JSON; errors as a line of it", {}),
    ("--usage", "", "numbers of tokens to stderr", {}),
    ("-v --verbose", "", "requests to stderr", {}),
    ("--base-url", "URL", "a URL, or " + ", ".join(BASE_URLS), {}),
    ("--auth", "jwt|key", "send a signed token, or the key itself", {}),
    ("--key-file", "FILE", "read the key from a file", {"type": read_key, "dest": "key"}),
    ("--env-file", "FILE", "read variables from a .env file", {}),
    ("--timeout", "SECONDS", "silence, or total=SECONDS", {"type": timeout, "default": TIMEOUT}),
    ("--ca-file", "FILE", "trust the certificates in it too", {}),
    ("--proxy", "URL|off", "in place of the environment's", {"type": to_proxy}),
    ("--session", "FILE", "keep the conversation, and go on with it", {}),
    ("--models", "", "list the models of the server", {}),
    ("--check", "", "check all that could prevent an answer", {}),
    ("--explain", "", "say what the error code given means", {}),
    ("--version", "", "version, and SHA-256 of this file", {}),
    ("-h --help", "", "this", {}),
)


def option_parser() -> Any:
    """An argparse parser of the OPTIONS."""
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise GLMValueError(f"{message}; --help lists the options")

    parser: Any = Parser(
        usage="glm.py [options] [prompt ...]",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.color = False  # the screen would show colors of 3.14 as escapes
    for names, value, purpose, settings in OPTIONS:
        usual = {"metavar": value} if value else {"action": "store_true"}
        parser.add_argument(*names.split(), help=purpose, **{**usual, **settings})
    return parser


def parse_arguments(argv: List[str]) -> Any:
    """The options, and as `words` all that is none; after -- everything is a word."""
    parser = option_parser()
    values = {name: value for names, value, _, _ in OPTIONS for name in names.split()}
    arguments = iter(argv)
    options = []
    words: List[str] = []
    wait = False
    for argument in arguments:
        option = re.match("--[^=]+|-[^-]", argument)
        if option:
            name = option.group()
            if name not in values:  # the rest of it may be a key
                parser.error(f"there is no option {name}")
            if argument == name and values[name]:  # glued on, a value may begin with a dash
                argument = "=".join([name, *itertools.islice(arguments, 1)])
            options.append(argument)
        elif argument == "-":
            wait = True
        elif argument == "--":
            words += arguments
        else:
            words.append(argument)
    args = parser.parse_args(options)
    args.wait = wait
    args.words = list(map(to_text, words))
    return args


def to_text(argument: str) -> str:
    """An argument as the locale reads it, or as UTF-8 where the locale cannot."""
    try:
        argument.encode("utf-8")
        return argument
    except UnicodeEncodeError:
        return os.fsencode(argument).decode("utf-8", "replace")


class Screen:
    """stdout for the answer and nothing else, stderr for the rest."""

    def __init__(self) -> None:
        self.out = open_stream(sys.stdout)
        self.err = open_stream(sys.stderr)
        self.answer_is_open = False  # whether it ended within a line
        self.note_is_open = False
        self.hint_length = 0

    def answer(self, text: str) -> None:
        """Write to stdout."""
        self.end_note()
        write(self.out, text)
        self.answer_is_open = not text.endswith("\n")

    def note(self, text: str) -> None:
        """Write to stderr; that it is closed or full is no error."""
        self.wipe()
        with contextlib.suppress(OSError):
            write(self.err, text)
        self.note_is_open = not text.endswith("\n")

    def end_note(self) -> None:
        """Leave the line of a note or a hint."""
        self.wipe()
        if self.note_is_open:
            self.note("\n")

    def end(self) -> None:
        """Leave the line of an answer, a note or a hint."""
        self.end_note()
        if self.answer_is_open:
            self.answer("\n")

    def hint(self, text: str) -> None:
        """On a terminal, show what is going on until something else is written."""
        if self.err is not None and self.err.isatty():
            self.note(text)
            self.hint_length = len(text)

    def wipe(self) -> None:
        """Take the hint away."""
        if self.hint_length:
            self.err.write("\r" + " " * self.hint_length + "\r")
            self.err.flush()
            self.hint_length = 0
            self.note_is_open = False


def open_stream(stream: Any) -> Any:
    """A text stream to where stdout or stderr goes: UTF-8, but a console has its code page."""
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return stream  # closed, or no file at all
    encoding = stream.encoding if stream.isatty() else "utf-8"
    if codecs.lookup(encoding).name == "ascii":  # LANG=C says nothing
        encoding = "utf-8"
    return open(descriptor, "w", encoding=encoding, errors="replace", newline="\n", closefd=False)


# Control characters except tab and line feed, and those that change the direction of text.
CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def write(stream: Any, text: str) -> None:
    """Write text at once. Half an emoji becomes U+FFFD; a terminal gets controls escaped."""
    if stream is None:
        raise OSError("stdout is closed")
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if stream.isatty():
        text = CONTROLS.sub(lambda match: ascii(match.group())[1:-1], text)
    try:
        stream.write(text)
        stream.flush()
    except OSError:  # what the stream still holds must not be reported as lost at exit
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), stream.fileno())
        raise


class Session:
    """The messages of a conversation, in a file if it has one: JSON Lines, a message a line."""

    def __init__(self, path: Optional[str], system: Optional[str]) -> None:
        self.path = path
        self.head: List[Any] = [{"role": "system", "content": system}] if system else []
        self.turns: List[Any] = self.read(path) if path else []
        if self.turns:  # as it began, so it goes on
            system_first = self.turns[0]["role"] == "system"
            self.head = [self.turns.pop(0)] if system_first else []

    def read(self, path: str) -> List[Any]:
        """The messages in the file. What a kill has left of a turn is cut off."""
        with open_private(path) as file:
            *lines, last = file.read().split(b"\n")
            torn = b'{"role":'.startswith(last[:8]) and parse_line(last) is None
            if not torn:
                lines.append(last)
            messages = [self.message(line, number) for number, line in enumerate(lines, 1)]
            if not torn:
                file.write(b"\n")
            elif last and messages and messages[-1]["role"] == "user":
                messages.pop()
                lines.pop()
            file.truncate(sum(len(line) + 1 for line in lines))
        return messages

    def message(self, line: bytes, number: int) -> Any:
        """One line as a message."""
        message = parse_line(line)
        roles = ("system", "user", "assistant", "tool")
        if isinstance(message, dict) and message.get("role") in roles:
            return message
        raise GLMValueError(
            f"{self.path}, line {number}: not a message of a session; left as it is"
        )

    def add(self, *turn: Any) -> None:
        """Append a turn, to the file wholly or not at all."""
        new = turn if self.turns else (*self.head, *turn)
        if self.path:
            lines = [json.dumps(message, ensure_ascii=False) + "\n" for message in new]
            data = "".join(lines).encode("utf-8", "backslashreplace")
            with open_private(self.path) as file:
                size = file.seek(0, 2)
                if file.write(data) < len(data):
                    file.truncate(size)
                    raise OSError(f"{self.path}: no room")
        self.turns += turn

    def clear(self) -> None:
        """Forget the turns, in the file too."""
        self.turns.clear()
        if self.path:
            with open_private(self.path) as file:
                file.truncate(0)


def parse_line(line: bytes) -> Any:
    """The JSON of a line, None if it is none."""
    try:
        return json.loads(line.decode("utf-8"))
    except ValueError:
        return None


@contextlib.contextmanager
def open_private(path: str) -> Iterator[Any]:
    """Open a file that only its owner may read, locked until it is closed."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise GLMValueError(f"{path}: not a regular file")
    with open(path, "a+b", 0, opener=functools.partial(os.open, mode=0o600)) as file:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file


def make_client(args: Any, max_retries: int = 3) -> GLM:
    """The client that the options describe."""
    return GLM(
        args.key,
        args.base_url,
        auth=args.auth,
        timeout=args.timeout,
        max_retries=max_retries,
        proxy=args.proxy,
        ca_file=args.ca_file,
    )


def request_fields(args: Any) -> Dict[str, Any]:
    """The fields of the request that the options ask for, without the messages."""
    return {
        "model": args.model,
        "temperature": args.temperature,
        "max_tokens": args.max_tokens,
        "thinking": args.think,
        "reasoning_effort": args.effort,
        "stream": not args.no_stream,
        "stream_options": {"include_usage": True} if args.usage and not args.no_stream else None,
        **dict(map(parse_param, args.param)),
    }


def parse_param(text: str) -> Tuple[str, Any]:
    """The name and value of a --param: JSON, or text that does not look like it."""
    name, equals, value = text.partition("=")
    if not equals or name in ("messages", "stream", "extra_body", "extra_headers", "timeout"):
        raise GLMValueError(f"--param KEY=JSON, not {text}: some keys have their own options")
    try:
        return name, json.loads(value)
    except ValueError:
        if value.startswith(("{", "[", '"')):
            raise GLMValueError(f"--param KEY=JSON, not {text}") from None
        return name, value


def decode(data: bytes) -> str:
    """Text in UTF-8, in UTF-16 with its mark, or in the locale's encoding."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(locale.getpreferredencoding(False), "replace")


def read_stdin(wait: Optional[float] = None) -> Optional[bytes]:
    """All of stdin, or None if it has not begun after so many seconds."""
    blocks: List[bytes] = []

    def read() -> None:
        while not blocks or blocks[-1]:
            try:
                blocks.append(os.read(0, 65536))  # the lock of sys.stdin would hold up the exit
            except BlockingIOError:  # another process has set the pipe so
                time.sleep(0.01)
            except OSError:
                blocks.append(b"")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(wait)
    if not blocks:
        return None
    thread.join()
    return b"".join(blocks)


def read_prompt(args: Any, screen: Screen) -> str:
    """The prompt that words and stdin make."""
    words = " ".join(args.words)
    piped: Optional[bytes] = b""
    if sys.stdin and "-" not in args.image and (args.wait or not sys.stdin.isatty()):
        piped = read_stdin(3.0 if words and not args.wait else None)
        if piped is None:
            screen.note("glm.py: nothing came on stdin; it is ignored ('-' waits for it)\n")
    parts = [words, decode(piped or b"").rstrip("\r\n")]
    prompt = "\n\n".join(part for part in parts if part.strip())
    if not prompt or "\0" in prompt:
        raise GLMValueError("no prompt, or a binary one (an image goes with -i); see --help")
    return prompt


def send(client: GLM, args: Any, messages: List[Any], screen: Screen) -> Any:
    """The reply, asked for as often as the library would, so that a terminal shows the waits."""
    fields = request_fields(args)
    end = time.monotonic() + (client.timeout.total or math.inf)
    reasons = []

    def attempt() -> Any:
        left = max(0.001, end - time.monotonic())
        limits = client.timeout._replace(total=left)
        screen.hint("thinking ...")
        try:
            return client.chat.completions.create(messages=messages, timeout=limits, **fields)
        except GLMError as error:
            reasons.append(error.code or error.status_code or type(error).__name__)
            raise

    def sleep(seconds: float) -> None:
        screen.hint(f"waiting {seconds:.0f} s: {reasons[-1]}")
        time.sleep(seconds)

    return retry(attempt, deadline=end, sleep=sleep)


def take_turn(client: GLM, args: Any, session: Session, prompt: str, screen: Screen) -> None:
    """Ask, show the answer as it comes, and keep the turn; raise if the answer is not whole."""
    images = [read_stdin() if image == "-" else image for image in args.image]
    args.image = []  # images belong to the first prompt
    question = user_message(prompt, images)
    messages = [*session.head, *session.turns, question]
    try:
        reply = send(client, args, messages, screen)
        if isinstance(reply, Stream):
            with reply:
                for chunk in reply:
                    for choice in chunk.choices or ():
                        if choice.index == 0:
                            show(choice.delta, args, screen)
            completion = reply.completion
        else:
            completion = reply
            show(completion.choices[0].message, args, screen)
    finally:
        screen.end()
    if args.json:
        screen.answer(completion.model_dump_json() + "\n")
    if args.usage:
        screen.note(f"tokens: {json.dumps(completion.usage)}\n")
    text_of(completion)
    if completion.choices[0].finish_reason == "length":
        screen.note("glm.py: the answer is cut at max_tokens\n")
    session.add(question, {"role": "assistant", **completion.choices[0].message})


def show(part: Any, args: Any, screen: Screen) -> None:
    """Show what a message or a delta holds."""
    if args.show_thinking and part.reasoning_content:
        screen.note(part.reasoning_content)
    if not args.json and part.content and isinstance(part.content, str):
        screen.answer(part.content)


def talk(client: GLM, args: Any, session: Session, screen: Screen) -> None:
    """A conversation on the terminal; no refusal and no Ctrl-C ends it."""
    with contextlib.suppress(ImportError):
        import readline

        for line in READLINE_SETTINGS.splitlines():
            readline.parse_and_bind(line)
    screen.note(TALK_HELP)
    while True:
        try:
            text = read_turn(screen)
            if text in ("/exit", "/quit", "/bye", "exit", "quit"):
                return
            if re.match(r"/\w*(\s|$)", text):
                command(text, session, screen)
            elif text:
                take_turn(client, args, session, text, screen)
        except EOFError:
            screen.note("\n")
            return
        except KeyboardInterrupt:
            screen.note("\n(stopped; this turn is forgotten, and /exit ends the conversation)\n")
        except (GLMError, UnicodeError) as error:
            report(error, False, screen)


def command(text: str, session: Session, screen: Screen) -> None:
    """Do what a word with a slash says."""
    if text == "/clear":
        session.clear()
        screen.note("Forgotten; the system prompt stays.\n")
    elif text == "/help":
        screen.note(TALK_HELP)
    else:
        screen.note(f"There is no {text}; /help lists what there is.\n")


def read_turn(screen: Screen) -> str:
    """What is typed for the next turn: a line, or several."""
    text = read_line("> ", screen)
    if text.startswith('"""'):
        while not text.endswith('"""') or len(text) < 6:
            text += "\n" + read_line("... ", screen)
        return text[3:-3].strip()
    while text.endswith("\\"):
        text = text[:-1] + "\n" + read_line("... ", screen)
    return text.strip()


def read_line(prompt: str, screen: Screen) -> str:
    """A line from the terminal. If stdout is a file, the prompt goes to stderr."""
    if not (screen.out and screen.out.isatty()):
        screen.hint(prompt)
        prompt = ""
    return to_text(input(prompt))


def check_setup(args: Any, screen: Screen) -> Iterator[Tuple[str, str]]:
    """Yield what stands between this machine and an answer, by one request that costs nothing."""
    yield "Python", f"{sys.version.split()[0]} on {sys.platform}"
    yield "OpenSSL", ssl.OPENSSL_VERSION if ssl else "none: https does not work"
    client = make_client(args, max_retries=0)
    yield "base URL", client.base_url
    forms = {"jwt": ", sent as a signed token", "key": ", sent as it is", "": ""}
    yield "key", client.key_source + forms[client.auth]
    parts = urllib.parse.urlsplit(client.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = choose_proxy(parts.scheme, parts.hostname or "", port, args.proxy)
    yield "proxy", repr(proxy) if proxy else "none"
    bundle = args.ca_file or os.environ.get("REQUESTS_CA_BUNDLE")
    yield "CA", bundle or os.environ.get("SSL_CERT_FILE") or "the system's"
    started = time.monotonic()
    try:
        reply = client.request("GET", "/models", reply="response")
    except NotFoundError:
        screen.note("glm.py: the path of the URL is wrong, or this server has no /models\n")
        raise
    yield "answer", f"after {time.monotonic() - started:.2f} s"
    with contextlib.suppress(TypeError, ValueError):  # no date, or none that can be read
        date = email.utils.parsedate_to_datetime(reply.headers["Date"]).timestamp()
        yield "clock", f"{time.time() - date:+.0f} s from the server's"
    yield "model", check_model(args, client, reply.body)


def check_model(args: Any, client: GLM, listing: bytes) -> str:
    """The model that would answer, by a reply to GET /models; an error if it is not there."""
    try:
        names = [str(model["id"]) for model in json.loads(listing.decode("utf-8"))["data"]]
    except (ValueError, LookupError, TypeError):
        raise GLMError("GET /models: no list of models; is the path right?") from None
    only = names[0] if len(names) == 1 else None
    model = args.model or os.environ.get("GLM_MODEL") or only
    official = client.base_url in BASE_URLS.values()  # whose list does not have all
    if model not in names and not official:
        raise GLMValueError(f"-m or GLM_MODEL must name what the server has: {', '.join(names)}")
    return str(model or "the default")


def version() -> str:
    """What tells a copy: the release, and the digest of the file that runs."""
    with contextlib.suppress(OSError), open(__file__, "rb") as file:
        return f"glm.py {__version__}, SHA-256 {hashlib.sha256(file.read()).hexdigest()}"
    return f"glm.py {__version__}"  # in a zip


def run(args: Any, screen: Screen) -> None:
    """Do what the options ask for."""
    if args.env_file and not load_env(args.env_file):
        raise GLMValueError(f"--env-file: {args.env_file} is not there, or sets nothing")
    if args.verbose:
        logging.basicConfig(format="%(message)s", level=logging.DEBUG)
    if args.help:
        screen.answer(option_parser().format_help())
    elif args.version:
        screen.answer(version() + "\n")
    elif args.explain:
        screen.answer("\n".join(map(explain, args.words or [None])) + "\n")
    elif args.check:
        for name, text in check_setup(args, screen):
            screen.answer(f"{name:9} {text}\n")
    elif args.models:
        for model in make_client(args).models.list():
            screen.answer(f"{model.id}\n")
    else:
        converse(args, screen)


def converse(args: Any, screen: Screen) -> None:
    """One turn, or without a prompt on a terminal as many as are typed."""
    session = Session(args.session, args.system)
    if args.system and session.head != [{"role": "system", "content": args.system}]:
        screen.note("glm.py: -s is passed over: the session goes on as it began\n")
    client = make_client(args, max_retries=0)  # `send` repeats
    if not args.words and not args.wait and sys.stdin and sys.stdin.isatty():
        talk(client, args, session, screen)
    else:
        take_turn(client, args, session, read_prompt(args, screen), screen)


def exit_code(error: BaseException) -> int:
    """The exit code of an error."""
    if isinstance(error, OSError):
        return 2 if error.filename else 1
    choices = getattr(getattr(error, "partial", None), "choices", None)
    if choices and choices[0].message.content and not isinstance(error, FinishReasonError):
        return 8  # text is out
    return int(getattr(error, "exit_code", 1))


def report(error: Exception, as_json: bool, screen: Screen) -> int:
    """Write an error to stderr, as text or as a line of JSON, and return its exit code."""
    text = str(error) or type(error).__name__
    for argument, option in OPTION_NAMES:
        text = text.replace(argument, option)
    code = exit_code(error)
    if as_json:
        names = ("code", "retryable", "request_id", "retry_at", "partial")
        facts = {name: getattr(error, name, None) for name in names}
        facts.update(message=text, exit=code)
        text = json.dumps({"error": facts}, ensure_ascii=False, default=str)
    screen.note(text + "\n" if as_json else f"glm.py: {text}\n")
    return code


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command line, and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    screen = Screen()
    try:
        run(parse_arguments(arguments), screen)
        return 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except Exception as error:
        return report(error, "--json" in arguments, screen)


if __name__ == "__main__":
    raise SystemExit(main())
