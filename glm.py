#!/usr/bin/env python3
# SPDX-License-Identifier: MIT. Copyright (c) 2026 the authors of glm.py, which is its own source:
# copy it freely, keep these lines; `python3 glm.py --version` tells which release a copy is.
"""A client and command line for Zhipu's GLM models, in one file without dependencies.

    >>> from glm import GLM
    >>> GLM().ask("1 + 1 = ?")               # the key: GLM_API_KEY, ZAI_API_KEY or ZHIPUAI_API_KEY
    '2'
    $ python3 glm.py "Write a poem"

For BigModel, Z.AI and what speaks their protocol (vLLM, SGLang), with the names of openai and
zhipuai. Each section builds on those above it (but GLM.ask on Conversation): Constants, Errors,
Records, Tokens, SSE, Time, Transport, Replies, Messages, Endpoints, Client, Conversation,
Command line.
"""
import os
import sys
import time
from codecs import getincrementaldecoder, lookup
from collections import Counter, defaultdict, namedtuple
from operator import methodcaller

TYPE_CHECKING = False  # a checker takes this name for True; typing costs 5 ms
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, Callable, Dict, Iterable, Iterator, List, Literal, Mapping
    from typing import Optional, Tuple, overload
else:
    Any = object
__version__ = "1.0.0"

# -- Constants ---------------------------------------------------------------------------------

BASE_URLS = {
    "bigmodel": "https://open.bigmodel.cn/api/paas/v4",
    "zai": "https://api.z.ai/api/paas/v4",
    "bigmodel-coding": "https://open.bigmodel.cn/api/coding/paas/v4",
    "zai-coding": "https://api.z.ai/api/coding/paas/v4",
}
KEYS = ("GLM_API_KEY", "ZAI_API_KEY", "ZHIPUAI_API_KEY", "ZHIPU_API_KEY")
BASES = ("GLM_BASE_URL", "ZAI_BASE_URL", "ZHIPUAI_BASE_URL")  # family: the first 3 letters
TEXT_MODEL, IMAGE_MODEL = "glm-4.7-flash", "glm-4.6v-flash"  # they cost nothing
TOKEN_TTL, CLOCK_SKEW = 210, 30  # seconds: a token's life, how wrong a clock may be unrepaired
IDLE, DRAIN = 30.0, 0.2  # seconds: trust in an idle connection, what may follow [DONE]
MAX_WAIT = 60.0  # seconds; a server that asks for more gets no second request
SECRET_HEADERS = "auth|key|token|secret|cookie"  # in the names of headers that may hold one
MAX_LINE, MAX_REPLY, MAX_SHOWN = 16 << 20, 256 << 20, 200  # bytes, bytes, characters

ErrorCode = namedtuple("ErrorCode", "status retry exit zh en")
# Business code, HTTP status (0: any), retry (yes, no, sign: anew and once, until: a stated time),
# exit code of the command line, meaning. Sources: docs.bigmodel.cn/cn/faq/api-code and, for older
# codes, docs.bigmodel.cn/cn/guide/develop/openai/introduction.
ERROR_CODES: "Dict[str, ErrorCode]" = {}
for _row in """\
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
1212 400 no    1 模型不支持该调用方式 | the model lacks this way of calling
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
1313 429 no    4 触发公平使用限制 | fair-use limit reached
1314 429 no    4 企业套餐无效 | enterprise plan not valid
1315 429 no    4 密钥仅限企业套餐 | key limited to the enterprise coding plan
1316 429 until 4 5小时额度与余额用尽 | 5-hour cap reached, and no balance
1317 429 until 4 7天额度与余额用尽 | 7-day cap reached, and no balance
1318 429 until 4 5小时额度与子账户月限用尽 | 5-hour cap reached, and the sub-account's
1319 429 until 4 7天额度与子账户月限用尽 | 7-day cap reached, and the sub-account's
1320 429 until 4 5小时额度与企业月限用尽 | 5-hour cap reached, and the company's
1321 429 until 4 7天额度与企业月限用尽 | 7-day cap reached, and the company's
""".splitlines():
    _code, _status, _retry, _exit, _text = _row.split(None, 4)
    ERROR_CODES[_code] = ErrorCode(int(_status), _retry, int(_exit), *_text.split(" | "))
ADVICE = {  # by exit code, or by business code where there is more to say
    1: "correct the request", 3: "check the key, and that it belongs to this base URL",
    4: "top up, change the plan or wait", 5: "change the input: the same is refused again",
    6: "send fewer requests at once", 7: "try again later", 8: "shorten the input",
    "1113": "top up, or use the base URL that the key was sold for",
    "1210": "compare the fields with the model's page; newer models refuse thinking=False",
    "1302": "send fewer requests at once: the limit is on concurrency, by model",
    "1308": "wait for the stated time, or use a pay-as-you-go key",
}

def explain(code: "str | int") -> str:
    """Say in Chinese and English what a business code means, if it is retried, what to do."""
    row = ERROR_CODES.get(str(code))
    if row is None: return f"{code}: not a known code; the HTTP status decides"
    again = {"yes": "retried", "sign": "signed anew once if the clock is off"}
    advice = ADVICE.get(str(code), ADVICE[row.exit])
    return f"{code}: {row.zh} / {row.en}; {again.get(row.retry, 'not retried')}; {advice}"

# -- Errors ------------------------------------------------------------------------------------

class GLMError(Exception):
    """Base of all errors here. They pickle; facts that do not apply are None."""
    status_code: "Optional[int]" = None; code: "Optional[str]" = None
    request_id: "Optional[str]" = None; finish_reason: "Optional[str]" = None
    retryable = False
    retry_after: "Optional[float]" = None  # seconds, as the server asked
    retry_at: "Optional[datetime]" = None  # when a quota comes back
    body: Any = None; partial: Any = None  # what the server said; the Completion so far
    date: "Optional[float]" = None  # the server's clock

    def __init__(self, message: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.__dict__.update(facts, message=message)

class GLMValueError(GLMError, ValueError): "A bad key, argument or setting: nothing was sent."
class FinishReasonError(GLMError): "The answer is not whole, or not text: .finish_reason, .partial."
class APIResponseError(GLMError): "No usable reply."
class APIResponseValidationError(APIResponseError): "A 2xx that is not what was asked for."
class APIConnectionError(APIResponseError): "Name, connect, TLS, proxy or dropped reply: it says."
class APITimeoutError(APIConnectionError): "The connect, read or total limit passed: it says."
class StreamInterruptedError(APIConnectionError): "No [DONE] and no finish_reason: .partial."
class APIStatusError(GLMError): "The server refused: .status_code, .code."
class APIRequestFailedError(APIStatusError): "400: the request is wrong."
class APIAuthenticationError(APIStatusError): "401: no key, or a refused one."
class PermissionDeniedError(APIStatusError): "403: the key may not do this."
class NotFoundError(APIStatusError): "404: no such path, model or object."
class APIReachLimitError(APIStatusError): "429: rate, quota, balance or plan; .code tells."
class APIInternalError(APIStatusError): "500 and up: the service failed."
class APIServerFlowExceedError(APIInternalError): "503: the service is overloaded."

ZhipuAIError = ZaiError = OpenAIError = APIError = GLMError
BadRequestError, AuthenticationError = APIRequestFailedError, APIAuthenticationError
RateLimitError, InternalServerError = APIReachLimitError, APIInternalError
STATUS_ERRORS = {
    400: APIRequestFailedError, 401: APIAuthenticationError, 403: PermissionDeniedError,
    404: NotFoundError, 429: APIReachLimitError, 503: APIServerFlowExceedError,
}

def _traceless(error: Any) -> "Optional[BaseException]":
    """The error as a cause without frames, which hold the key; None where it quotes the server.

    That is a bare ConnectionError, which is ours, or one of http.client: they may echo the key.
    """
    if isinstance(getattr(error, "reason", None), OSError): error = error.reason  # of URLError
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error if isinstance(error, OSError) and type(error) is not ConnectionError else None

def _date(text: "Optional[str]") -> "Optional[float]":
    """Seconds since 1970 of a date in a header."""
    from email.utils import parsedate_to_datetime
    try: return parsedate_to_datetime(text).timestamp()  # type: ignore[arg-type]
    except Exception: return None  # of more than four classes, by the Python

def _retry_after(headers: Any) -> "Optional[float]":
    """Seconds that a reply asks to wait; a date is read by the reply's own Date."""
    value = headers.get("retry-after", "")
    if value.isdecimal(): return float(value)
    then = _date(value)
    return max(0.0, then - (_date(headers.get("date")) or time.time())) if then else None

def _retry_at(text: str) -> "Optional[datetime]":
    """The time in a quota's message: it has no zone and is UTC+8; an unlikely one is ignored."""
    import re
    from datetime import datetime, timedelta, timezone
    found = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text) or [""]
    try: stamp = datetime.strptime(found[0] + "+0800", "%Y-%m-%d %H:%M:%S%z")
    except ValueError: return None
    return stamp if timedelta(0) < stamp - datetime.now(timezone.utc) < timedelta(32) else None

def _find_error(body: Any) -> "Optional[Tuple[str, str]]":
    """(code, message) where JSON is an error, in any of the service's shapes."""
    if not isinstance(body, dict): return None
    error = body.get("error")
    inner = error if isinstance(error, dict) else body
    code = str(inner.get("code") or "")[:40]
    flat = code not in ("", "0", "200") and not {"choices", "id"} & set(body)
    if not error and not flat and body.get("success") is not False: return None
    texts = inner.get("message"), error, *map(body.get, ("message", "msg", "detail"))
    return code, next((text for text in texts if text and isinstance(text, str)), "")

# -- Records -----------------------------------------------------------------------------------

class Record(dict):  # type: ignore[type-arg]
    """A JSON object: a dict whose keys are attributes, but those named like methods (items, ...).

    A name that the API documents and this object lacks reads None.
    """
    def __getattr__(self, name: str) -> Any:
        if name in self: return self[name]
        raise AttributeError(f"no {name!r} here, but: {', '.join(map(str, self)) or 'nothing'}")

    __setattr__ = dict.__setitem__

    def model_dump(self) -> "Dict[str, Any]":
        """Return plain dicts and lists."""
        import json
        return json.loads(json.dumps(self))  # type: ignore[no-any-return]

    def model_dump_json(self, **options: Any) -> str:
        """Return JSON text; options are those of json.dumps."""
        import json
        return json.dumps(self, **{"ensure_ascii": False, **options})

# For the checker, and for the documented names: at run time every object is a Record.
class Function(Record): "What a ToolCall calls; arguments is text."; name: str; arguments: str
class ToolCall(Record): "A call that the model asks for."; id: str; type: str; function: Function
class Message(Record):
    "An answer; it goes into messages as it is."
    role: str; content: "Optional[str]"; reasoning_content: "Optional[str]"
    tool_calls: "Optional[List[ToolCall]]"
class Choice(Record):
    "One answer, most often the only one; in a Chunk it has a delta, else a message."
    index: int; finish_reason: "Optional[str]"; message: Message; delta: Message
class Usage(Record):
    "Numbers of tokens."
    prompt_tokens: int; completion_tokens: int; total_tokens: int
class Completion(Record):
    "The reply of chat.completions.create."
    choices: "List[Choice]"; id: str; created: int; model: str; object: str
    request_id: "Optional[str]"; usage: "Optional[Usage]"
class Chunk(Completion): "An event of a Stream."

FIELDS = """audio b64_json completion_tokens_details content_filter data error function_call
    image_result logprobs prompt_tokens_details refusal system_fingerprint task_status url
    video_result web_search"""  # documented too, of no certain type
_names = FIELDS.split()
for _class in Record.__subclasses__(): _names += _class.__annotations__
for _name in _names: setattr(Record, _name, property(methodcaller("get", _name)))
Record.reasoning_content = property(  # type: ignore[attr-defined]  # newer vLLM: reasoning
    lambda self: self.get("reasoning_content", self.get("reasoning")))
_codec: "List[Any]" = []  # scanner and encoder: made once, and late, as json costs 5 ms

def _json(part: int) -> Any:
    if not _codec:
        import json
        # NaN and Infinity are no JSON: what is read has to be fit to be written again
        decoder: Any = json.JSONDecoder(object_hook=Record, parse_constant=lambda name: None)
        encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        _codec[:] = decoder.scan_once, encoder.encode
    return _codec[part]

def _decode(text: str) -> Any:
    """JSON text as Records; ValueError where it is none."""
    try: value, end = _json(0)(text, 0)
    except (StopIteration, RecursionError): end = -1
    if end == len(text): return value
    stripped = text.strip("\ufeff \t\r\n")
    if stripped == text: raise ValueError("not JSON")
    return _decode(stripped)

def _encode(value: Any) -> bytes:
    try:  # a lone surrogate, which UTF-8 lacks, goes as JSON's escape
        return _json(1)(value).encode(errors="backslashreplace")  # type: ignore[no-any-return]
    except (TypeError, ValueError, RecursionError) as error:
        raise GLMValueError(f"the request is not JSON: {error}") from error

def _mapping(value: Any, what: str) -> "Dict[str, Any]":
    """A copy of what the caller gave as a dict, or None."""
    if value is None or hasattr(value, "keys"): return dict(value or {})
    raise GLMValueError(f"{what}: a dict is wanted, not {type(value).__name__}")

# -- Tokens ------------------------------------------------------------------------------------

class _Secret(str):
    """Text that shows itself in no repr, print, format, traceback or pickle."""
    def __new__(cls, text: str = "") -> "_Secret":
        return str.__new__(cls, text[:] if isinstance(text, str) else "\0")  # str() would mask it
    def __repr__(self) -> str: return "'***'"
    def __format__(self, spec: str) -> str: return "***"
    def __reduce_ex__(self, protocol: Any) -> Any: return _Secret, ()
    __str__ = __repr__

def _secret(value: Any, what: str, **facts: Any) -> _Secret:
    """A header's value: one line, or it could smuggle in a header."""
    if isinstance(value, str) and all(" " <= char <= "~" for char in value): return _Secret(value)
    raise GLMValueError(f"{what}: must be one line of ASCII without control characters", **facts)

def generate_token(apikey: str, exp_seconds: float, now: "Optional[float]" = None) -> str:
    """Sign a JWT for a key of the form id.secret, as BigModel wants; now: seconds since 1970."""
    import hmac
    from base64 import urlsafe_b64encode
    apikey = _Secret(apikey)
    name, _, secret = map(_Secret, apikey.partition("."))
    if not name or not secret or "." in secret:
        raise GLMValueError("invalid apikey: a token needs a key of the form id.secret")
    stamp = round((time.time() if now is None else now) * 1000)
    claims = {"api_key": name, "exp": stamp + int(exp_seconds * 1000), "timestamp": stamp}
    parts = {"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"}, claims
    text = b".".join(urlsafe_b64encode(_encode(part)).rstrip(b"=") for part in parts)
    signature = hmac.new(secret.encode(), text, "sha256").digest()
    return (text + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()

# -- SSE ---------------------------------------------------------------------------------------

def iter_sse(lines: "Iterable[str]") -> "Iterator[Tuple[str, str]]":
    """Yield (event, data) from lines, with or without their ends. By the standard, but for the end:
    there no blank line is needed. https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    data: List[str] = []
    event, ends = "", False
    for line in lines:
        text = line.rstrip("\r\n")
        ends = ends or text != line
        field, _, value = text.lstrip("\ufeff").partition(":")
        value = value[value.startswith(" ") :]
        if field == "data": data.append(value)
        elif field == "event": event = value
        elif not text:
            if data: yield event or "message", "\n".join(data)
            event, data = "", []
    if data and not (ends and text == line): yield event or "message", "\n".join(data)

def _event(text: str) -> "List[str]":
    """The data of one event; what looks like JSON or HTML goes to its reader as it is."""
    if text.lstrip("\ufeff \t\n")[:1] in ("{", "[", "<"): return [text]
    return [data for name, data in iter_sse(text.split("\n")) if name != "ping"]

def _events(blocks: "Iterable[bytes]") -> "Iterator[str]":
    """Yield the data of each event from blocks of bytes that are cut anywhere."""
    from io import IncrementalNewlineDecoder
    decode = IncrementalNewlineDecoder(getincrementaldecoder("utf-8")("replace"), True).decode
    rest = ""
    for block in map(decode, blocks):
        rest += block
        end = rest.rfind("\n\n", -len(block) - 1)
        if len(rest) - end > MAX_LINE:
            raise APIResponseValidationError("an event of the stream is over 16 MB")
        if end < 0: continue
        text, rest = rest[:end], rest[end + 2 :]
        plain = text[6:].split("\n\ndata: ")  # the fast way: all are one line
        if text[:6] == "data: " and text.count("\n") == 2 * len(plain) - 2: yield from plain
        else:
            for event in filter(None, text.split("\n\n")): yield from _event(event)
    rest += decode(b"", True)
    for data in _event(rest):
        try:  # if its last line or JSON is complete
            if rest[-1] == "\n" or data == "[DONE]" or data[:1] == "<" or _decode(data): yield data
        except ValueError: pass

# -- Time --------------------------------------------------------------------------------------

class Timeout(namedtuple("Timeout", "connect read total")):
    """Seconds, or None for no limit. connect is without the name's lookup, read the longest silence
    on the wire, total all of a call but that lookup: retries and reading too."""
    def __new__(cls, connect: Any = 8.0, read: Any = 300.0, total: Any = None) -> "Timeout":
        for value in (connect, read, total):
            if value is not None and not (isinstance(value, (int, float)) and value > 0):
                raise GLMValueError(f"timeout: {value!r} is not a number of seconds above 0")
        return super().__new__(cls, connect, read, total)

    @classmethod
    def of(cls, value: Any) -> "Timeout":
        """Make one of a number (read), a tuple, or what has .connect and .read (httpx.Timeout)."""
        if hasattr(value, "connect") and hasattr(value, "read"):
            return cls(value.connect, value.read, getattr(value, "total", None))
        if isinstance(value, tuple) and len(value) <= 3: return cls(*value)
        return cls(min(8.0, cls(8.0, value).read or 8.0), value)

TIMEOUT = Timeout()

class _Deadline:
    """When a call must be over, on the monotonic clock, and how long it may be silent."""
    def __init__(self, total: Any, read: Any, end: float = float("inf")) -> None:
        self.read, self.end = read, min(end, time.monotonic() + (total or float("inf")))

    def left(self) -> float:
        """Seconds to wait now; TimeoutError where none are left."""
        left = self.end - time.monotonic()
        if left <= 0: raise TimeoutError("no time left")
        return min(left, self.read or left, 1e6)  # eleven days are for ever; sockets take no more

def retry(call: "Callable[[], Any]", *, max_retries: int = 3, deadline: "Optional[float]" = None,
          sleep: "Callable[[float], Any]" = time.sleep,
          rand: "Callable[[], float]" = lambda: os.urandom(1)[0] / 256) -> Any:
    """Return call(), called again while it raises what says .retryable.

    It waits what .retry_after says, else rand() * 0.5, 1, 2 ... at most 8 seconds (full jitter).
    Where that is over 60 s, or not before deadline (on time.monotonic()), it raises at once.
    """
    for attempt in range(sys.maxsize):
        try: return call()
        except Exception as error:
            if not getattr(error, "retryable", False) or attempt >= max_retries: raise
            wait = getattr(error, "retry_after", None)
            if wait is None: wait = rand() * 0.5 * 2 ** min(attempt, 4)
            if wait > MAX_WAIT or time.monotonic() + wait >= (deadline or float("inf")): raise
        sleep(max(0.0, wait))

# -- Transport ---------------------------------------------------------------------------------

def _listed(host: str, port: int, entries: str) -> bool:
    """Whether NO_PROXY names the host: a suffix, host:port, *, an address or a CIDR block."""
    from ipaddress import ip_address, ip_network
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]
    for entry in entries.replace(",", " ").split():
        try: found = ip_address(host) in ip_network(entry.strip("[]"), False)
        except ValueError:
            name = entry.lstrip("*").replace("[", "").replace("]", "").rstrip(".")
            found = entry == "*" or proxy_bypass_environment(f"{host}:{port}", {"no": name})
        if found: return True
    return False

def choose_proxy(scheme: str, host: str, port: int, proxy: Any = None) -> Any:
    """Return (host, port, headers, label) of the proxy to use, None to go direct.

    proxy: a URL, False for none, None for what the environment, or else the system, names.
    """
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit
    from urllib.request import getproxies, proxy_bypass
    name = "proxy"
    if proxy is False or _listed(host, port, "localhost 127.0.0.0/8 ::1"): return None
    if proxy is None:
        found = getproxies()
        kind = scheme if found.get(scheme) else "all"
        if not found.get(kind) or _listed(host, port, found.get("no", "")) or proxy_bypass(host):
            return None
        proxy, names = found[kind], (kind + "_proxy", kind.upper() + "_PROXY")
        name = next((name for name in names if os.environ.get(name)), "the system's proxy")
    try:
        parts = urlsplit(proxy if "://" in proxy else "http://" + proxy)
        port = parts.port or 80
        if parts.scheme != "http" or not parts.hostname or "\0" in proxy: raise ValueError
    except (TypeError, ValueError):
        raise APIConnectionError(
            f"{name}: only http://host:port is a proxy that works here, no SOCKS or https: change "
            f"it, name {host} in NO_PROXY, or pass proxy=False, or opener=") from None
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    headers = {"Proxy-Authorization": _Secret("Basic " + b64encode(login).decode())}
    label = f" via {name} {parts.hostname}:{port}"
    return parts.hostname, port, headers if parts.username else {}, label

def _tls_context(ca_file: "Optional[str]", quick: bool) -> "Tuple[Any, bool]":
    """The system's roots (OpenSSL heeds SSL_CERT_FILE and SSL_CERT_DIR) and ca_file's.

    quick: those of a folder alone, if there is one whose names are hashes, since a bundle takes
    20 ms to read. Returns the context, and whether it is a quick one.
    """
    import ssl
    name = "ca_file" if ca_file else "REQUESTS_CA_BUNDLE"
    bundle = ca_file or os.environ.get(name)
    for what, path in ((name, bundle), ("SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE"))):
        if path and not os.path.exists(path):
            raise GLMValueError(f"{what} names a file that is not there: {path}")
    paths = ssl.get_default_verify_paths()
    try: quick = quick and any(file.endswith(".0") for file in os.listdir(paths.capath or ""))
    except OSError: quick = False  # there is none that can be read
    if quick: return ssl.create_default_context(capath=paths.capath), True
    context = ssl.create_default_context()
    if bundle and bundle != paths.cafile:
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)  # many private CAs fail it
        kind = "capath" if os.path.isdir(bundle) else "cafile"
        try: context.load_verify_locations(**{kind: bundle})
        except OSError as error:  # SSLError too
            raise GLMValueError(f"{name}: no certificates in {bundle}: {error}") from error
    return context, False

class _Wire:
    """A connection, whose sends and recvs wait at most what the deadline of its call has left."""
    sock: Any = None
    heard = 0  # bytes of the last read in a call

    def __init__(self, host: str, port: int, deadline: _Deadline) -> None:
        """Connect to the first address of the host that answers: each has its share of time."""
        import socket
        self.deadline, self.buffer = deadline, memoryview(bytearray(4096))  # recv() fragments
        found = socket.getaddrinfo(host.encode(), port, 0, socket.SOCK_STREAM)  # as text: idna
        for left in range(len(found), 0, -1):
            self.sock = socket.socket(*found[-left][:3])
            try:
                self.sock.settimeout(deadline.left() / left)
                self.sock.connect(found[-left][4])
                break
            except OSError:
                self.sock.close()
                if left == 1: raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # for silences behind NAT
        if hasattr(socket, "TCP_KEEPIDLE"):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)

    def recv(self) -> bytes:
        self.sock.settimeout(self.deadline.left())
        if self.heard >= 4096: data: bytes = self.sock.recv(65536)
        else: data = bytes(self.buffer[: self.sock.recv_into(self.buffer)])
        self.heard = len(data) or self.heard
        return data

    def hang_up(self) -> None:
        if self.sock: self.sock.close()

    __del__ = hang_up

class _Response:
    """A reply by https://www.rfc-editor.org/rfc/rfc9112, its head read, its body to be read.

    http.client's own spends a third of a call in email.parser, and takes a cut head for whole.
    """
    def __init__(self, wire: _Wire, method: str, pool: "List[Any]") -> None:
        import re
        self.wire: Any = wire
        self.pool, self.data, self.code = pool, b"", 0
        while self.code < 200:  # 100 Continue and the like may come first
            first, *lines = self.head().split("\n")
            found = re.match(r"HTTP/1\.\d (\d{3})\b", first)
            if not found: raise ConnectionError(f"no HTTP/1.1: {first!r}")
            self.code = int(found.group(1))
            self.headers: Dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(":")
                name, value = name.rstrip().lower(), value.strip()
                bad = not value or self.headers.setdefault(name, value) != value
                if bad and name in ("content-length", "transfer-encoding"):
                    raise ConnectionError(f"an empty or a second {name} header")
        coding = self.headers.get("transfer-encoding", "").lower()
        length = "" if coding else self.headers.get("content-length", "")
        if method in ("HEAD", "CONNECT") or self.code in (204, 304): coding, length = "", "0"
        if coding not in ("", "chunked") or not (length or "0").isdecimal():
            raise ConnectionError(f"unknown framing: {coding} {length}")
        self.chunked, self.size = coding, length
        self.kept = "close" not in self.headers.get("connection", "").lower() and coding + length

    def more(self) -> None:
        if len(self.data) > 65536: raise ConnectionError("a head or line of over 64 KB")
        fresh = self.wire.recv()
        if not fresh: raise ConnectionError("the reply is cut")
        self.data += fresh

    def head(self) -> str:
        """What comes before the next blank line."""
        import re
        while not re.search(b"\n\r?\n", self.data): self.more()
        head, self.data = re.split(b"\n\r?\n", self.data, maxsplit=1)
        return head.decode("latin-1")

    def plain(self) -> "Iterator[bytes]":
        """A body of known length, or one that lasts until the server closes."""
        left = int(self.size or sys.maxsize)
        while left:
            block = self.data or self.wire.recv()
            if not block: break
            block, self.data = block[:left], block[left:]
            left -= len(block)
            yield block
        if left and self.size: raise ConnectionError("the reply is cut")

    def chunks(self) -> "Iterator[bytes]":
        """A chunked body: all the whole and begun chunks of a read are one block."""
        import re
        match = re.compile(rb"\r?\n([0-9a-fA-F]+)[ \t]*(?:;[^\n]*)?\r?\n").match
        end, size = 0, 1  # end: of the chunk that is being read, maybe past what data holds
        self.data = b"\r\n" + self.data  # which ends the chunk before each other size
        while size:
            parts, data, at = [], self.data, 0
            while size:
                parts.append(data[at:end])
                found = match(data, end)
                if not found: break
                at, size = found.end(), int(found.group(1), 16)
                end = at + size
            self.data, end, block = data[end:], max(0, end - len(data)), b"".join(parts)
            if block: yield block
            if size and not end and b"\n" in self.data[2:]:
                raise ConnectionError(f"no chunk: {self.data!r}")
            if size: self.more()
        self.data = b"\n" + self.data
        self.head()  # trailers

    def blocks(self) -> "Iterator[bytes]":
        """The body; one that is cut raises. After its end the connection is for other calls."""
        yield from self.chunks() if self.chunked else self.plain()
        if self.kept and not self.data:
            wire, self.wire = self.wire, None  # first: a Stream's close has to leave it alone
            self.pool.append((wire, time.monotonic()))

    def close(self) -> None:
        if self.wire: self.wire.hang_up()

class _KeepAlive:
    """Our opener of urllib's requests: no redirects, no file:, and connections are kept."""
    def __init__(self, options: Any) -> None:
        from urllib.parse import urlsplit
        parts = urlsplit(options["base_url"])
        self.tls, self.host = parts.scheme == "https", parts.hostname or ""
        self.port = parts.port or (443 if self.tls else 80)
        self.proxy, self.ca_file, self.pid = options["proxy"], options["ca_file"], 0
        self.kept: List[Any] = []  # wires, and since when; append and pop need no lock
        self.trust: Any = (None, False)  # the TLS context, and whether it is the quick one

    def close(self) -> None:
        self.kept.clear()  # each closes as it goes; in a fork the parent's stay open

    def idle(self) -> Any:
        """Take a kept connection that is young, and silent since its reply: the caller's alone."""
        while True:
            try: wire, since = self.kept.pop()
            except IndexError: return None
            try:
                wire.sock.settimeout(0)
                wire.sock.recv(1)
            except OSError as error:
                silent = type(error).__name__ in ("BlockingIOError", "SSLWantReadError")
                if silent and time.monotonic() - since < IDLE: return wire  # else it closes

    def open(self, request: Any, timeout: float) -> Any:
        """Send a request; its connection goes with the reply, which gives it back."""
        if self.pid != os.getpid():  # a fork's sockets are its parent's
            self.route = choose_proxy(request.type, self.host, self.port, self.proxy)
            self.kept, self.pid = [], os.getpid()  # the process last, for other threads
        target = request.selector
        if self.route:
            request.where += self.route[3]
            if not self.tls:
                target = request.full_url
                request.unredirected_hdrs.update(self.route[2])  # there _hide() sees it
        headers = {"Host": request.host, **request.unredirected_hdrs}
        for kept in (self.idle(), None):
            wire = kept or self.connect(request)
            request.phase, wire.deadline, wire.heard = "read", request.deadline, 0
            try: return self.exchange(wire, request.get_method(), target, headers, request.data)
            except BaseException as error:
                wire.hang_up()  # one that died while it was idle is replaced, by a new one
                if not kept or wire.heard or _late(error) or not isinstance(error, OSError): raise

    def exchange(self, wire: _Wire, method: str, target: str, headers: "Dict[str, str]",
                 body: "Optional[bytes]" = None) -> _Response:
        """Send a request, and read the head of its reply."""
        size = {} if body is None and method != "POST" else {"Content-Length": str(len(body or ""))}
        lines = map(": ".join, {**headers, "Accept-Encoding": "identity", **size}.items())
        head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "\r\n"]).encode("latin-1")
        data, pool = memoryview(body or b""), self.kept
        try:
            for start in range(0, len(data) or 1, 16384):  # a TLS record: each has its own timeout
                wire.sock.settimeout(wire.deadline.left())
                wire.sock.sendall(head * (not start) + data[start : start + 16384])
        except ConnectionError: pool = []  # a refusal may have come before the end of the request
        return _Response(wire, method, pool)

    def connect(self, request: Any) -> _Wire:
        request.phase = "connect"
        if self.tls and not self.trust[0]:
            self.trust = _tls_context(self.ca_file, not self.ca_file)
        context, quick = self.trust  # another thread may change it meanwhile
        host, port = self.route[:2] if self.route else (self.host, self.port)
        wire = _Wire(host, port, _Deadline(request.limits.connect, None, request.deadline.end))
        try:
            if self.tls and self.route:
                name = f"{self.host if ':' not in self.host else '[' + self.host + ']'}:{self.port}"
                reply = self.exchange(wire, "CONNECT", name, {"Host": name, **self.route[2]})
                if reply.code != 200:
                    raise APIConnectionError(
                        f"CONNECT refused: HTTP {reply.code} [{request.where}]",
                        status_code=reply.code, retryable=reply.code >= 500)
            if self.tls:
                wire.sock.settimeout(wire.deadline.left())
                wire.sock = context.wrap_socket(wire.sock, server_hostname=self.host,
                                                suppress_ragged_eofs=False)
        except BaseException as error:
            wire.hang_up()
            if not quick or getattr(error, "reason", "") != "CERTIFICATE_VERIFY_FAILED": raise
            self.trust = _tls_context(self.ca_file, False)
            return self.connect(request)
        return wire

def _late(error: BaseException) -> bool:  # before 3.10 socket.timeout is a class of its own
    return isinstance(error, TimeoutError) or type(error).__name__ == "timeout"

def _hide(request: Any, text: str) -> str:
    """Text of a server without the key, which some echo."""
    import re
    for name, value in request.unredirected_hdrs.items():
        for secret in (value, value.rpartition(" ")[2]):
            if re.search(SECRET_HEADERS, name.lower()) and len(secret) > 5:  # others are words
                text = text.replace(secret, "***")
    return text

def _connection_error(error: Any, request: Any,
                      cut: "Callable[..., GLMError]" = APIConnectionError) -> GLMError:
    """What the network did, as an error that says in which phase, to whom and through what."""
    if isinstance(getattr(error, "reason", None), OSError): error = error.reason  # of URLError
    if _late(error):
        limit = "total" if request.deadline.end <= time.monotonic() + 0.001 else request.phase
        return APITimeoutError(f"{limit} timeout [{request.where}]", retryable=limit == "connect")
    kind = type(error).__name__
    text = _hide(request, f"{kind}: {getattr(error, 'verify_message', '') or error}")[:MAX_SHOWN]
    where = f" [{request.phase}, {request.where}]"
    if kind == "gaierror": return APIConnectionError("no such host name: " + text + where)
    if kind[:3] in ("SSL", "Cer") and "certificate" in f"{text} {error}".lower():  # Cer: 3.6
        advice = "if you trust its issuer, name the issuer's file: ca_file= or REQUESTS_CA_BUNDLE"
        return APIConnectionError(f"TLS certificate refused: {text}; {advice}{where}")
    return cut(text + where, retryable=not isinstance(error, ImportError))

# -- Replies -----------------------------------------------------------------------------------

class _Reply:
    """One reply: its head and its body, read once."""
    def __init__(self, response: Any, request: Any) -> None:
        self.response, self.request, self.headers = response, request, response.headers
        self.status: int = getattr(response, "status", None) or response.code

    def blocks(self, cut: Any = APIConnectionError, cap: float = MAX_REPLY) -> "Iterator[bytes]":
        """Yield the body as it comes; one that is cut short raises the class cut."""
        response, size = self.response, 0
        read: Any = getattr(response, "read1", None) or getattr(response, "read", None)
        pull = getattr(response, "blocks", lambda: iter(lambda: read(65536), b""))
        coding = self.headers.get("content-encoding") or "identity"
        try:
            if coding.lower() != "identity": raise self.invalid("packed, unasked", coding)
            for block in pull():
                size += len(block)
                if size > cap: raise APIResponseValidationError("the reply is over 256 MB")
                yield block
            if getattr(response, "length", None): raise EOFError("the reply is cut")
        except GLMError: raise
        except Exception as error:
            raise _connection_error(error, self.request, cut) from _traceless(error)
        finally: response.close()

    def bytes(self) -> bytes: return b"".join(self.blocks())
    def text(self) -> str: return self.bytes().decode("utf-8", "replace")
    def stream(self) -> "Stream": return Stream(self)
    def content(self) -> "Content": return Content(self)

    def json(self) -> Any:
        """The body as Records. An error in it raises, and so does what is no JSON."""
        text = self.text()
        try: body = _decode(text) if text or self.status != 204 else Record()
        except ValueError: raise self.invalid("not JSON", text) from None
        if _find_error(body): raise self.error(text)
        return body

    def completion(self) -> Any:
        body = self.json()
        try:
            for choice in body["choices"]: _text_arguments(choice["message"])
            ends = [choice.get("finish_reason") for choice in body["choices"]]
            if not ends: raise KeyError
        except (TypeError, KeyError, AttributeError, ValueError):
            raise self.invalid("without choices", str(body)) from None
        if "network_error" in ends:
            raise StreamInterruptedError(BROKEN, partial=body, retryable=True)
        return body

    def invalid(self, what: str, text: str) -> GLMError:
        text = _hide(self.request, text)[:MAX_SHOWN]
        shown = f"HTTP {self.status}, but {what}: {text!r} [{self.request.where}]"
        return APIResponseValidationError(shown, status_code=self.status, body=text)

    def error(self, text: "Optional[str]" = None) -> GLMError:
        """What the server said, as the error of its business code, else of its HTTP status."""
        import json
        body: Any = text
        try:
            body = _hide(self.request, self.text() if text is None else text)
            body = _decode(body)
            body = _decode(_hide(self.request, json.dumps(body, ensure_ascii=False)))  # or escaped
        except (ValueError, RecursionError): body = _hide(self.request, str(body))
        except APIResponseError as problem: body = str(problem)
        fields: Any = body if isinstance(body, dict) else {}
        code, text = _find_error({**fields, "success": False}) or ("", "")
        row, kind = ERROR_CODES.get(code), self.status
        if row: kind = row.status or kind
        elif kind < 400 and len(code) == 3 and code.isdecimal(): kind = int(code)
        named = fields.get("request_id") or self.headers.get("x-request-id")
        named = _hide(self.request, str(named or self.headers.get("x-log-id") or ""))[:80]
        parts = [" ".join((text or str(body)).split())[:MAX_SHOWN] or "an empty body"]
        parts += [explain(code)] * bool(row)
        location = _hide(self.request, self.headers.get("location") or "nowhere")[:MAX_SHOWN]
        parts += self.request.hints(kind, code, location)
        said = f"HTTP {self.status}{', code ' + code if code and not row else ''}: "
        said += f"{'; '.join(parts)} [{self.request.where}{', request ' + named if named else ''}]"
        cls = STATUS_ERRORS.get(kind, APIInternalError if kind >= 500 else APIStatusError)
        return cls(
            _hide(self.request, said), status_code=self.status, body=body, code=code or None,
            request_id=named or None, date=_date(self.headers.get("date")),
            retry_after=_retry_after(self.headers),
            retryable=row.retry == "yes" if row else kind in (408, 429) or kind >= 500,
            retry_at=_retry_at(text) if row and row.retry == "until" else None)

BROKEN = "the service broke off (finish_reason network_error)"

def _text_in(content: Any) -> str:
    """The text of a message's content, which some servers send in parts."""
    if isinstance(content, str): return content
    parts = content if isinstance(content, list) else ()
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))

def _text_arguments(message: Any) -> Any:
    """A message or delta whose tools' arguments are text: some servers send objects."""
    for call in message.get("tool_calls") or ():
        given = (call.get("function") or {}).get("arguments", "")
        if not isinstance(given, str):
            call["function"]["arguments"] = "" if given is None else _encode(given).decode()
    return message

class Stream:
    """The Chunks of an answer: iterate, or use with; close() ends it early, from any thread.

    completion is the answer put together as far as it came. It is whole once [DONE], or a
    finish_reason for each choice, came; else the end raises. Every failure has it as .partial.
    """
    def __init__(self, reply: _Reply) -> None:
        self._reply, self._over = reply, False
        self._blocks: Any = reply.blocks(StreamInterruptedError)
        self._data: Any = _events(self._blocks)
        self._answers: Any = defaultdict(
            lambda: {"text": [], "thought": [], "calls": {}, "end": None})
        self._head, self._names, self._first = Record(), [""], None
        self._first = next(self, None)

    def __iter__(self) -> "Iterator[Chunk]": return self
    def __enter__(self) -> "Stream": return self
    def __exit__(self, *error: Any) -> None: self.close()

    def __next__(self) -> Chunk:
        """Return the next chunk; raise unless the end is proved."""
        chunk, self._first = self._first, None
        if chunk: return chunk
        try:
            for data in self._data:
                if data[:6] == "[DONE]":
                    self._over, deadline = True, self._reply.request.deadline
                    deadline.end = min(deadline.end, time.monotonic() + DRAIN)
                    for _ in self._blocks: pass  # to the end of the body: so its connection is kept
                    break
                if data: return self._add(data)
            if not self._over:
                raise StreamInterruptedError("the stream stopped before its end", retryable=True)
        except GLMError as error:
            data, ends = "", [answer["end"] for answer in self._answers.values()]
            whole = ends and all(ends) and isinstance(error, APIConnectionError)
            if not self._over and not whole:
                error.partial = self.completion if ends else None
                error.__context__, self._data = None, ()  # it stays cut for who goes on
                self._blocks.close()
                raise error.with_traceback(None)  # noqa: B904  # inner frames may quote the key
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Close the connection, if the stream is not over."""
        self._over, self._data = True, ()
        try: self._blocks.close()
        except ValueError:  # another thread waits for data: this wakes it, where close would not
            try: self._reply.response.wire.sock.shutdown(2)
            except (AttributeError, OSError): pass  # it is over, or not ours to wake

    def _add(self, data: str, get: Any = dict.get) -> Chunk:  # a Record's own takes twice as long
        try:
            chunk = _decode(data)
            names = [*chunk]
            if names != self._names or "usage" in chunk:  # most events are like the one before
                plain = "choices" in names and "error" not in names
                if not plain and _find_error(chunk): raise self._reply.error(data)
                self._head.update({name: chunk[name] for name in names if chunk[name] is not None})
                self._names = names if plain else []
            for choice in get(chunk, "choices") or ():
                delta = get(choice, "delta") or get(choice, "message") or Record()
                choice["delta"] = delta  # where a server sends a whole answer, or nothing, too
                answer, text = self._answers[get(choice, "index")], get(delta, "content")
                if text: answer["text"].append(text)
                if not text or get(choice, "finish_reason") or len(delta) > 1 + ("role" in delta):
                    self._merge(answer, delta, choice)
        except (ValueError, TypeError, AttributeError, LookupError):
            raise self._reply.invalid("a damaged event", data) from None
        return chunk  # type: ignore[no-any-return]

    def _merge(self, answer: Any, delta: Any, choice: Any) -> None:
        """Add what a delta holds besides text."""
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought: answer["thought"].append(thought)
        calls = answer["calls"]
        for call in _text_arguments(delta).get("tool_calls") or ():
            key, given = call.get("index"), call.get("function") or {}
            if key is None:  # a new call has an id; without one it goes on with the last
                key = len(calls) if call.get("id") else max(len(calls) - 1, 0)
            kept, pieces = calls.setdefault(key, (Record(function=Record()), []))
            pieces.append(given.get("arguments", ""))
            for old, new in ((kept.function, given), (kept, call)):
                old.update({name: value for name, value in new.items()
                            if value and name != "index" and not old.get(name)})
        if choice.get("finish_reason") == "network_error":
            raise StreamInterruptedError(BROKEN, retryable=True)
        answer["end"] = choice.get("finish_reason") or answer["end"]

    @property
    def completion(self) -> Completion:
        """The answer so far, in the form of a reply that is not streamed."""
        choices = []
        for index, answer in self._answers.items():
            text, thought = ("".join(map(_text_in, answer[key])) for key in ("text", "thought"))
            calls = [Record(call, function=Record(call["function"], arguments="".join(pieces)))
                     for call, pieces in answer["calls"].values()]
            message = Record(role="assistant", content=text or (None if calls else ""))
            if thought: message["reasoning_content"] = thought
            if calls: message["tool_calls"] = calls
            choices.append(Record(index=index or 0, finish_reason=answer["end"], message=message))
        return Record(self._head, object="chat.completion", choices=choices)  # type: ignore

class Content:
    """A binary reply: read it once, whole (read, content), by blocks (iter_bytes) or to a file."""
    def __init__(self, reply: _Reply) -> None: self._reply = reply
    def read(self) -> bytes: return self._reply.bytes()
    def iter_bytes(self) -> "Iterator[bytes]": return self._reply.blocks(cap=float("inf"))
    content = property(read)

    def write_to_file(self, path: str) -> None:
        """Write a file, in flat memory."""
        with open(path, "wb") as file:
            for block in self.iter_bytes(): file.write(block)

    stream_to_file = write_to_file

# -- Messages ----------------------------------------------------------------------------------

def image_part(image: Any, raw: bool = False) -> "Dict[str, Any]":
    """Make a message's part of a path, bytes or URL; raw: bare base64, as some models want it."""
    import re
    from base64 import b64encode
    if not (isinstance(image, str) and re.match("(https?|data):", image)):
        kinds = b"(?P<png>\x89PNG)|(?P<jpeg>\xff\xd8\xff)|(?P<gif>GIF8)|(?P<webp>RIFF....WEBP)"
        data = _content(image)
        found = re.match(kinds, data, re.S)
        if not found: raise GLMValueError(f"image: {image!r:.80} is no PNG, JPEG, GIF or WebP")
        image = ("" if raw else f"data:image/{found.lastgroup};base64,") + b64encode(data).decode()
    return {"type": "image_url", "image_url": {"url": image}}

def _content(source: Any) -> Any:
    """The bytes of a path or of a file; anything else as it is."""
    if not isinstance(source, (str, os.PathLike)):
        return source.read() if hasattr(source, "read") else source
    with open(source, "rb") as file: return file.read()

def user_message(text: str, images: "Iterable[Any]" = ()) -> "Dict[str, Any]":
    """Make a message of the user; an image is what image_part takes, or a part made by it."""
    if not isinstance(text, str): raise GLMValueError("a prompt must be text")
    parts: Any = [part if isinstance(part, dict) else image_part(part) for part in images]
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}] if parts else text}

def text_of(completion: Any) -> str:
    """Return the text of an answer; FinishReasonError where it is not whole or there is none."""
    choice = (completion.choices or [Record(message=Record())])[0]
    text, reason = _text_in(choice.message.content), choice.finish_reason
    why = {
        "sensitive": "the content filter stopped the answer",
        "content_filter": "the content filter stopped the answer",
        "model_context_window_exceeded": "the answer does not fit the context: shorten the input",
        "tool_calls": "the model asks for tools: chat.completions.create shows which",
        "length": not text and "max_tokens went into thinking; raise it, or thinking=False",
    }.get(str(reason), not text and f"the answer is empty (finish_reason {reason})")
    if not why: return text
    raise FinishReasonError(why, finish_reason=reason, partial=completion)

def _form(fields: "Mapping[str, Any]", files: "Mapping[str, Any]") -> "Tuple[bytes, str]":
    """Multipart form data and its type. A file: a path, bytes, a file, or (name, one of these)."""
    parts: List[Any] = []
    boundary, escape = os.urandom(16).hex(), {34: "%22", 13: "%0D", 10: "%0A"}
    for key, value in {**fields, **files}.items():
        if key in files:
            name = getattr(value, "name", value if isinstance(value, str) else key)
            if isinstance(value, tuple): name, value = value[:2]
            value, name = _content(value), os.path.basename(str(name)).translate(escape)
            if not isinstance(value, (bytes, bytearray)) or not value:
                raise GLMValueError(f"{key}: an empty file, or neither path, bytes nor binary file")
            head = f'; filename="{name}"\r\nContent-Type: application/octet-stream'
        elif value is None: continue
        else: head, value = "", value.encode() if isinstance(value, str) else _encode(value)
        head = f'Content-Disposition: form-data; name="{key.translate(escape)}"{head}\r\n\r\n'
        head = f"--{boundary}\r\n{head}"  # with surrogates from a path in no locale
        parts += [head.encode("utf-8", "surrogateescape"), value, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), "multipart/form-data; boundary=" + boundary

# -- Endpoints ---------------------------------------------------------------------------------

# Method (the official SDKs' names), verb, path, and what is not JSON: a form, a binary reply.
# GLM declares the groups for the checker; what is above a group has a row before it.
ENDPOINTS = """\
chat.asyncCompletions.create                     POST   /async/chat/completions
chat.asyncCompletions.retrieve_completion_result GET    /async-result/{id}
images.generations                               POST   /images/generations
images.generate                                  POST   /images/generations
videos.generations                               POST   /videos/generations
videos.retrieve_videos_result                    GET    /async-result/{id}
embeddings.create                                POST   /embeddings
assistant.conversation                           POST   /assistant
files.create                                     POST   /files                       form
files.list                                       GET    /files
files.content                                    GET    /files/{file_id}/content     content
files.delete                                     DELETE /files/{file_id}
batches.create                                   POST   /batches
batches.retrieve                                 GET    /batches/{batch_id}
batches.list                                     GET    /batches
batches.cancel                                   POST   /batches/{batch_id}/cancel
web_search.web_search                            POST   /web_search
moderations.create                               POST   /moderations
rerank.create                                    POST   /rerank
audio.speech                                     POST   /audio/speech                content
audio.transcriptions.create                      POST   /audio/transcriptions        form
models.list                                      GET    /models
tokenizer.create                                 POST   /tokenizer
"""

class _Group:
    def __init__(self, above: Any) -> None: self._client = getattr(above, "_client", above)

def _method(name: str, verb: str, path: str, kind: str = "json") -> Any:
    """One row of the table as a method of its group."""
    hole = path.partition("{")[2].partition("}")[0]

    def method(self: Any, _id: Any = None, *, timeout: Any = None, extra_headers: Any = None,
               extra_body: Any = None, **fields: Any) -> Any:
        from urllib.parse import quote
        found = fields.pop(hole, _id)
        if (found is None) == bool(hole):
            raise TypeError(f"{name}: takes {hole or 'nothing'}, and fields by name")
        if str(found) in ("", ".", ".."): raise GLMValueError(f"{name}: {hole} names nothing")
        fields = {key: value for key, value in fields.items() if value is not None}
        files = {"file": fields.pop("file", None)} if kind == "form" else None
        fields.update(_mapping(extra_body, "extra_body"))
        reply = "stream" if fields.get("stream") else kind.replace("form", "json")
        return self._client.request(
            verb, path.format(**{hole: quote(str(found), "")}), files=files, reply=reply,
            **{"body" if verb == "POST" else "query": fields or None},
            timeout=timeout, extra_headers=extra_headers)

    method.__name__, method.__qualname__ = name.rpartition(".")[2], name
    method.__doc__ = f"{verb} {path}: {hole + ', ' * bool(hole)}its fields by name."
    return method

# -- Client ------------------------------------------------------------------------------------

def load_env(path: str = ".env") -> "Dict[str, str]":
    """Set the variables in a file of NAME=value lines that are not set; return all it holds."""
    import re
    if not os.path.exists(path): return {}
    row = r"""^\s*(?:export\s+)?([^\s#=]+)\s*=[ \t]*(?:'([^'\n]*)'|"([^"\n]*)"|(.*?)(?: #.*)?$)"""
    try:
        rows = re.findall(row, _content(path).decode("utf-8-sig"), re.M)
        held = {name: "".join(values).strip() for name, *values in rows}
        for pair in held.items(): os.environ.setdefault(*pair)
    except ValueError: raise GLMValueError(f"{path}: not UTF-8, or with NUL characters") from None
    return held

def _base_url(url: "Optional[str]") -> str:
    import re
    url = url or next(filter(None, map(os.environ.get, BASES)), "bigmodel")
    url = BASE_URLS.get(url, url[:]).strip()  # url[:] of a _Secret is bare
    url = re.sub("/+(chat/completions)?/*$", "", url)
    found = re.match(r"https?://(?:[\w.-]+|\[[\w.:%]+\])(?::(\d+))?(/[!$->@-~]*)?$", url, re.A)
    if found and 0 < int(found.group(1) or 80) < 65536: return url  # no ? nor #
    raise GLMValueError(
        "base_url: http(s)://host:port/path without user or password, or " + ", ".join(BASE_URLS))

def _site(url: str) -> "List[str]":
    return url.strip().lower().split("/")[:3]  # scheme, "", host and port

def _headers(base: "Mapping[str, str]", more: Any) -> "Dict[str, str]":
    """Both, under urllib's spelling of their names, their values checked and hidden."""
    given = _mapping(more, "headers").items()
    pairs = ((_secret(text, "a header's name or value") for text in pair) for pair in given)
    return {**base, **{name.capitalize(): value for name, value in pairs}}

class Completions(_Group):
    """client.chat.completions"""
    if TYPE_CHECKING:
        @overload
        def create(self, *, messages: Any, stream: "Literal[True]", **params: Any) -> Stream: ...
        @overload
        def create(self, *, messages: Any, stream: "Optional[Literal[False]]" = None,
                   **params: Any) -> Completion: ...

    def create(self, *, messages: Any, model: Any = None, stream: Any = None, thinking: Any = None,
               extra_body: Any = None, extra_headers: Any = None, timeout: Any = None,
               **params: Any) -> Any:
        """Ask for an answer: a Completion, or with stream=True a Stream of Chunks.

        Every other parameter goes to the server as it is; None is left out; extra_body is merged
        into the request. thinking=True or False is spelled as the host wants it, a dict goes
        through. model: else GLM_MODEL, else a free one, else the only one that the server has.
        """
        client = self._client
        if not isinstance(messages, (list, tuple)) or not messages:
            raise GLMValueError('messages: a list like [{"role": "user", "content": "..."}]')
        if isinstance(thinking, bool) and client._official:
            thinking = {"type": "enabled" if thinking else "disabled"}
        elif isinstance(thinking, bool):
            kwargs = {**(params.get("chat_template_kwargs") or {}), "enable_thinking": thinking}
            params["chat_template_kwargs"], thinking = kwargs, None
        params.update(model=model or client._model(messages), messages=messages, stream=stream,
                      thinking=thinking)
        body = {name: value for name, value in params.items() if value is not None}
        body.update(_mapping(extra_body, "extra_body"))
        read = _Reply.stream if body.get("stream") else _Reply.completion
        return client._call("POST", "/chat/completions", read, body, timeout, extra_headers)

class Chat(_Group):
    """client.chat"""
    asyncCompletions: Any  # from the table

    @property
    def completions(self) -> Completions: return Completions(self)

class GLM:
    """A client for one base URL; safe between threads; it pickles without its key.

    api_key: else GLM_API_KEY, ZAI_API_KEY, ZHIPUAI_API_KEY or ZHIPU_API_KEY; all but the first go
    to the vendor's hosts and that of their own *_BASE_URL only. base_url: a URL or a name of
    BASE_URLS. auth: "jwt" sends a signed token, "key" the key, None a token where BigModel takes
    it. timeout: see Timeout. proxy: a URL, or False; else the environment's. ca_file: PEM, besides
    the system's roots.
    opener: an opener of urllib.request, in place of all this transport.
    """
    def __init__(self, api_key: "Optional[str]" = None, base_url: "Optional[str]" = None, *,
                 auth: "Optional[str]" = None, timeout: Any = TIMEOUT, max_retries: int = 3,
                 default_headers: "Optional[Mapping[str, str]]" = None, proxy: Any = None,
                 ca_file: "Optional[str]" = None, opener: Any = None) -> None:
        # first: no frame may hold a secret bare, and a URL may have a password
        api_key, base_url, proxy = (text and _Secret(text) for text in (api_key, base_url, proxy))
        default_headers = {name: _Secret(value) for name, value
                           in _mapping(default_headers, "default_headers").items()}
        options = {name: value for name, value in dict(locals()).items() if name != "self"}
        try: self.__setstate__(options)
        except GLMError as error: raise error.with_traceback(None)  # noqa: B904  # as in _send
        self._check_key()

    _log: Any = None  # the logger, fetched once: a Ctrl-C within getLogger may keep its lock

    def __setstate__(self, options: Any) -> None:
        self.base_url = _base_url(options["base_url"])
        self._options = {**options, "base_url": self.base_url}  # whatever the environment becomes
        self._official = _site(self.base_url) in map(_site, BASE_URLS.values())
        self._key, self._key_name = self._find_key(options["api_key"])
        usual = "jwt" if self.base_url.lower() == BASE_URLS["bigmodel"] else "key"
        auth = options["auth"] or os.environ.get("GLM_AUTH") or usual
        if auth not in ("jwt", "key"): raise GLMValueError('auth: "jwt", "key" or None')
        if not isinstance(options["max_retries"], int): raise GLMValueError("max_retries: a number")
        self.auth = "" if not self._key else auth if self._key.count(".") == 1 else "key"
        self._timeout, self._skew = Timeout.of(options["timeout"]), 0.0
        self._served: List[str] = []  # the models of the server
        agent = {"User-agent": "glm.py/" + __version__}
        self._headers = _headers(agent, options["default_headers"])
        self._opener = options["opener"]
        if self._opener is None: self._opener = _KeepAlive(self._options)

    def __getstate__(self) -> Any:
        import re
        headers, proxy = self._options["default_headers"], self._options["proxy"]
        secret = re.search(SECRET_HEADERS, " ".join(headers).lower())
        if secret or self._options["opener"] is not None or "@" in (proxy or ""):
            raise TypeError("a client with opener=, a password in proxy=, or a header that may be "
                            "a secret does not pickle: make it where it is used")
        return {**self._options, "api_key": None, "proxy": proxy and proxy[:],
                "default_headers": {name: value[:] for name, value in headers.items()}}

    images: Any; videos: Any; embeddings: Any; assistant: Any; files: Any; batches: Any
    web_search: Any; moderations: Any; rerank: Any; audio: Any; models: Any; tokenizer: Any

    def __repr__(self) -> str: return f"GLM(base_url={self.__dict__.get('base_url')!r})"
    def __enter__(self) -> "GLM": return self
    def __exit__(self, *error: Any) -> None: self.close()

    def close(self) -> None:
        """Close the kept connections; the client can go on."""
        if isinstance(self._opener, _KeepAlive): self._opener.close()

    def with_options(self, **changes: Any) -> "GLM":
        """Return a client with some options changed; it shares the connections if it can."""
        clone = type(self)(**{**self._options, **changes})
        if not {"base_url", "proxy", "ca_file", "opener"} & {*changes}: clone._opener = self._opener
        return clone

    @property
    def chat(self) -> Chat: return Chat(self)

    def ask(self, prompt: str, *, system: "Optional[str]" = None, images: "Iterable[Any]" = (),
            **params: Any) -> str:
        """Return the answer's text; FinishReasonError if it is not whole or not text."""
        messages = [*Conversation(self, system).messages, user_message(prompt, images)]
        return text_of(self.chat.completions.create(messages=messages, **params))

    def stream(self, prompt: str, *, system: "Optional[str]" = None, images: "Iterable[Any]" = (),
               **params: Any) -> "Iterator[str]":
        """Yield the answer's text as it comes; at its end raise as ask() does."""
        return Conversation(self, system).stream(prompt, images, **params)

    def request(self, method: str, path: str, body: Any = None, *, query: Any = None,
                files: Any = None, reply: str = "json", timeout: Any = None,
                extra_headers: Any = None) -> Any:
        """Call any endpoint: path is what follows the base URL; body goes as JSON.

        With files (name -> path, bytes, file, or (file name, one of these)) it goes as a form.
        reply: "json" gives Records, "bytes" bytes, "content" a Content, "stream" a Stream.
        """
        import re
        from urllib.parse import urlencode
        if not re.match("[A-Z]+ /[!-~]* (json|bytes|content|stream)$", f"{method} {path} {reply}"):
            raise GLMValueError('request: "GET", "/path"; reply: json, bytes, content or stream')
        pairs = [pair for pair in _mapping(query, "query").items() if pair[1] is not None]
        if pairs: path += "?" + urlencode(pairs)
        if files:
            body, kind = _form(_mapping(body, "body"), _mapping(files, "files"))
            extra_headers = {"Content-Type": kind, **_mapping(extra_headers, "extra_headers")}
        return self._call(method, path, getattr(_Reply, reply), body, timeout, extra_headers)

    def wait(self, task: Any, *, interval: float = 5, timeout: "Optional[float]" = None) -> Any:
        """Follow an asynchronous task (or its id) to its end, and return its result.

        Asks every interval seconds, for timeout seconds at most; any other end raises, with its id.
        """
        name = task if isinstance(task, str) else _mapping(task, "task").get("id", "")
        end, limits = time.monotonic() + (timeout or float("inf")), self._timeout
        while True:
            if timeout: limits = limits._replace(total=max(1e-9, end - time.monotonic()))
            result = self.chat.asyncCompletions.retrieve_completion_result(name, timeout=limits)
            state = getattr(result, "task_status", None)
            if state == "SUCCESS": return result
            if state not in ("PROCESSING", "SUBMITTED", "QUEUED"):
                raise APIResponseError(f"task {name} ended as {state}", body=result)
            time.sleep(max(0, min(interval, end - time.monotonic())))

    def _find_key(self, given: "Optional[str]") -> "Tuple[_Secret, str]":
        """The key that may go to this host and its name, else why there is none."""
        why = f"no API key: set {' or '.join(KEYS)}, or pass api_key= (--key-file)"
        for name in ("api_key", *KEYS):
            value = _Secret(((given if name == "api_key" else os.environ.get(name)) or "").strip())
            ours = [_site(os.environ.get(base, "")) for base in BASES if base[:3] == name[:3]]
            free = self._official or name in ("api_key", KEYS[0]) or _site(self.base_url) in ours
            if value and free: return _secret(value, name, status_code=401), name
            if value: why = f"no key was sent: {name} is for its vendor, for this set {KEYS[0]}"
        return _Secret(), why

    def _check_key(self) -> None:
        if self._official and not self._key: raise GLMValueError(self._key_name, status_code=401)

    def _model(self, messages: Any) -> str:
        """The model where none was named."""
        if os.environ.get("GLM_MODEL"): return os.environ["GLM_MODEL"]
        if self._official:
            return IMAGE_MODEL if b'"image_url"' in _encode(messages) else TEXT_MODEL
        if len(self._served) != 1:
            listed = getattr(self.models.list(), "data", None) or ()
            self._served = [str(getattr(model, "id", model)) for model in listed]
        if len(self._served) == 1: return self._served[0]
        known = ", ".join(self._served) or "which it does not list"
        raise GLMValueError("name one of the server's models (model=, GLM_MODEL): " + known)

    def _call(self, method: str, path: str, read: Any, body: Any, timeout: Any, more: Any) -> Any:
        """The path of every call: one encoding, one deadline, retry; a new token is not a retry."""
        from urllib.request import Request
        self._check_key()
        headers = _headers(self._headers, more)
        if body is not None: headers.setdefault("Content-type", "application/json")
        data = body if body is None or isinstance(body, bytes) else _encode(body)
        limits = self._timeout if timeout is None else Timeout.of(timeout)
        deadline = _Deadline(limits.total, limits.read)

        def attempt() -> Any:
            for last in (False, True):
                request: Any = Request(self.base_url + path, data, method=method)
                request.__dict__.update(
                    limits=limits, deadline=deadline, hints=self._hints, phase="request",
                    unredirected_hdrs={**headers}, where=f"{method} {request.full_url}")
                try: return self._send(request, read)
                except APIAuthenticationError as error:
                    row, skew = ERROR_CODES.get(error.code or ""), (error.date or 0.0) - time.time()
                    signs = self.auth == "jwt" and row and row.retry == "sign" and error.date
                    if last or not signs or abs(skew - self._skew) <= CLOCK_SKEW: raise
                    self._skew = skew

        return retry(attempt, max_retries=self._options["max_retries"], deadline=deadline.end)

    def _send(self, request: Any, read: Any) -> Any:
        """One attempt: send, and read what comes; anything but a 2xx raises."""
        from urllib.error import HTTPError
        if self._key:
            key, now = self._key, time.time() + self._skew
            if self.auth == "jwt": key = _Secret(generate_token(key, TOKEN_TTL, now))
            request.unredirected_hdrs.setdefault("Authorization", _Secret("Bearer " + key))
        reply: Any = None
        result: Any = None
        start = time.monotonic()
        try:
            try: response = self._opener.open(request, timeout=request.deadline.left())
            except HTTPError as error: response = error  # what other openers make of a refusal
            except GLMError: raise
            except Exception as error:
                raise _connection_error(error, request) from _traceless(error)
            reply = _Reply(response, request)
            if not 200 <= reply.status < 300: raise reply.error()
            result = read(reply)
            return result
        except GLMError as error:
            result, error.__context__ = error, None
            raise error.with_traceback(None)  # noqa: B904  # inner frames may quote the key
        finally:
            logging = sys.modules.get("logging")
            if logging:
                seen = getattr(result, "completion", result)  # of a Stream: what it began with
                named = (getattr(seen, name, None) for name in ("code", "request_id", "usage"))
                GLM._log = GLM._log or logging.getLogger("glm")
                GLM._log.debug(
                    "%s: status %s, code %s, request %s, tokens %s, %.3f s", request.where,
                    reply and reply.status, *named, time.monotonic() - start)
            del result, reply  # no cycle of a traceback

    def _hints(self, kind: int, code: str, location: str) -> "Iterator[str]":
        """Other likely reasons of a refusal."""
        if 300 <= kind < 400: yield f"no redirect is followed; this goes to {location!r}"
        if kind in (401, 403) and self.auth != "key":
            yield 'auth="key" sends the key itself' if self._key else self._key_name
        if self._official and (kind in (401, 404) or code == "1113"):
            others = (url for url in BASE_URLS.values() if url != self.base_url)
            yield "the key may belong to another base_url: " + ", ".join(others)
        elif kind == 404: yield "is the base_url right? Most end in /v1"

_groups: "Dict[str, Any]" = {"": GLM, "chat": Chat}
for _row in ENDPOINTS.splitlines():
    _name, *_rest = _row.split()
    _path, _, _last = _name.rpartition(".")
    _above, _, _part = _path.rpartition(".")
    if _path not in _groups:
        _groups[_path] = type(_part, (_Group,), {"__doc__": "client." + _path})
        setattr(_groups[_above], _part, property(_groups[_path]))
    setattr(_groups[_path], _last, _method(_name, *_rest))
ZhipuAI = ZhipuAiClient = OpenAI = GLM

# -- Conversation ------------------------------------------------------------------------------

class Conversation:
    """Several turns; one that fails, or is abandoned, leaves messages as they were."""
    def __init__(self, client: GLM, system: "Optional[str]" = None, **params: Any) -> None:
        self.client, self.params = client, params
        self.messages: List[Any] = [{"role": "system", "content": system}] if system else []

    def ask(self, prompt: str, images: "Iterable[Any]" = (), **params: Any) -> str:
        """Return the answer's text; the turn is then part of messages."""
        return "".join(self.stream(prompt, images, **params))

    def stream(self, prompt: str, images: "Iterable[Any]" = (), **params: Any) -> "Iterator[str]":
        """Yield the answer's text as it comes; at its end the turn is part of messages."""
        turn = [user_message(prompt, images)]
        params = {**self.params, **params, "messages": self.messages + turn, "stream": True}
        with self.client.chat.completions.create(**params) as stream:
            for chunk in stream:
                for choice in [one for one in chunk.choices or () if not one.index]:
                    if choice.delta.content: yield _text_in(choice.delta.content)
        text_of(stream.completion)
        self.messages += [*turn, stream.completion.choices[0].message]

# -- Command line ------------------------------------------------------------------------------

class _Writer:
    """Text to a pipe or file in UTF-8, to a terminal in its code page and with no ESC."""
    def __init__(self, stream: Any, needed: bool = False) -> None:
        self.needed, self.last = needed, ""  # failing is an error; the last character written
        # stream is None where it was closed; without its buffer nothing is left to flush at exit
        self.raw = stream and getattr(stream.buffer, "raw", stream.buffer)
        self.terminal = bool(stream) and stream.isatty()
        self.coding = stream.encoding if self.terminal else "utf-8"
        if lookup(self.coding).name == "ascii": self.coding = "utf-8"  # LANG=C says nothing
        self.join = getincrementaldecoder("utf-16-le")("replace").decode

    def write(self, text: str, more: bool = False, over: bool = False) -> None:
        """Write, over the line of progress; with more half a surrogate pair awaits the other."""
        text = self.join(text.encode("utf-16-le", "surrogatepass"), not more)
        if self.terminal:
            ugly = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160)) if n not in (9, 10)}
            text = "\r\x1b[K" * over + text.translate(ugly)
        self.last = text[-1:] or self.last
        data = text.encode(self.coding, "replace")
        try:
            while data:
                if not self.raw: raise OSError("stdout is closed")
                data = data[self.raw.write(data) :]
        except OSError:
            if self.needed: raise

    def end(self) -> None:
        self.write("")
        if self.last.strip("\n"): self.write("\n")

HELP = """\
usage: glm.py [options] [prompt ...]

Ask a GLM model. The prompt is the words, stdin, or both (beside words a pipe
has 3 s to begin, with the word - as long as it takes); the answer alone goes
to stdout. No prompt at a terminal: a conversation. The key is in GLM_API_KEY,
ZAI_API_KEY, ZHIPUAI_API_KEY or ZHIPU_API_KEY, the URL in GLM_BASE_URL.

  -m, --model NAME       model (else GLM_MODEL, else one that costs nothing)
  -s, --system TEXT      system prompt
  -t, --temperature X    sampling temperature
  --max-tokens N         most tokens to answer with, thinking included
  -i, --image FILE|URL|- show an image (again for more)
  -P, --param KEY=JSON   any other field of the request (again for more)
  --think, --no-think    think before the answer, or do not
  --effort LEVEL         reasoning_effort: low, high, max
  --show-thinking        thoughts to stderr
  --no-stream            the answer in one piece
  --json                 the whole reply as JSON; errors as a line of JSON
  --usage                numbers of tokens to stderr
  -v, --verbose          requests to stderr
  --base-url URL         a URL, or bigmodel, zai, bigmodel-coding, zai-coding
  --auth jwt|key         send a signed token, or the key itself
  --key-file FILE        read the key from a file
  --env-file FILE        read variables from a file of NAME=value lines
  --timeout SECONDS      longest silence; total=SECONDS for the whole call
  --ca-file FILE         trust the certificates in it too
  --proxy URL|off        in place of the environment's
  --session FILE         go on with the conversation in a file
  --batch FILE           answer each row, {"id", "prompt"} or as the service's
  -o, --output FILE      where the answers go; what is there is not asked again
  -j, --jobs N           requests at once (2)
  --check                what stands between this machine and an answer
  --curl                 print the request as a command for sh, without key
  --models               list the models of the server
  --explain CODE         say what an error code means
  -h, --help, --version

Exit codes: 0 fine, 1 other, 2 usage or unreadable file, 3 key, 4 quota or
balance, 5 content filter, 6 rate limit, 7 network or server, 8 answer cut
short, empty or past the context, 130 interrupted, 141 closed pipe.
"""

def _seconds(text: str) -> Timeout:
    return Timeout(total=float(text[6:])) if text[:6] == "total=" else Timeout.of(float(text))

def _parse(argv: "List[str]") -> Any:
    """Options and words; the options are those that HELP shows."""
    import re
    from getopt import GetoptError, gnu_getopt
    rows = re.findall(r"(?:-(\w), )?--([a-z-]+)( [A-Z\w|=-]+)?", HELP[HELP.index("  -m") :])
    options = {word: row for row in rows for word in ("-" + row[0], "--" + row[1])}
    types: Any = {"": lambda text: True, " X": float, " N": int, " SECONDS": _seconds}
    letters = "".join(letter + ":" * bool(value) for letter, _, value in rows if letter)
    args = Record({name.replace("-", "_"): None for _, name, _ in rows}, image=[], param=[],
                  jobs=2, timeout=TIMEOUT)
    try:
        found, args["words"] = gnu_getopt(
            [os.fsencode(word).decode("utf-8", "replace") for word in argv], letters,
            [name + "=" * bool(value) for _, name, value in rows])
    except GetoptError as error: raise GLMValueError(f"{error}; --help lists the options") from None
    for word, text in found:
        _, name, kind = options[word]
        key = name.replace("-", "_")
        try: value = types.get(kind, str)(text)
        except ValueError: raise GLMValueError(f"--{name}{kind}, not {text}") from None
        args[key] = [*args[key], value] if isinstance(args[key], list) else value
    args["head"] = [{"role": "system", "content": args["system"]}] if args["system"] else []
    args["fields"] = _fields(args)
    args["proxy"] = args["proxy"] != "off" and args["proxy"]  # False is for none at all
    return args

def _plain(data: bytes) -> str:
    """Text in UTF-8, UTF-16 with its mark, or the locale's coding."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"): return data.decode("utf-16", "replace")
    try: return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        from locale import getpreferredencoding
        return data.decode(getpreferredencoding(False), "replace")

def _stdin(wait: float) -> bytes:
    """All of stdin, or nothing if it has not begun after so many seconds."""
    from threading import Thread
    blocks: List[bytes] = []

    def read() -> None:
        while not blocks or blocks[-1]:
            try: blocks.append(os.read(0, 65536))  # sys.stdin's lock would hold up the exit
            except BlockingIOError: time.sleep(0.01)  # another process made the pipe so
            except OSError: blocks.append(b"")  # of a terminal that is lost, or a folder

    thread = Thread(target=read, daemon=True)
    thread.start()
    thread.join(wait)
    if not blocks:
        _Writer(sys.stderr).write("glm.py: nothing came on stdin; passed over ('-' waits for it)\n")
        return b""
    thread.join()
    return b"".join(blocks)

def _user(args: Any, text: str) -> "Dict[str, Any]":
    return user_message(text, [_stdin(1e6) if name == "-" else name for name in args.image])

def _prompt(args: Any) -> "Dict[str, Any]":
    """The message that words and stdin make."""
    words, dash = " ".join(word for word in args.words if word != "-"), "-" in args.words
    piped = ""
    if sys.stdin and "-" not in args.image and (dash or not sys.stdin.isatty()):
        piped = _plain(_stdin(3.0 if words and not dash else 1e6)).rstrip("\r\n")
    prompt = "\n\n".join(part for part in (words, piped) if part.strip())
    if prompt and "\0" not in prompt: return _user(args, prompt)
    raise GLMValueError("no prompt, or a binary one (an image goes with -i); --help tells more")

def _fields(args: Any) -> "Dict[str, Any]":
    """The fields of the request that the options ask for, but for messages."""
    fields = {"model": args.model, "reasoning_effort": args.effort, "max_tokens": args.max_tokens,
              "thinking": False if args.no_think else args.think, "temperature": args.temperature}
    if not args.no_stream:
        fields.update(stream=True, stream_options=args.usage and {"include_usage": True})
    for pair in args.param:
        name, _, value = pair.partition("=")
        if name in ("messages", "stream", "extra_body", "extra_headers", "timeout"):
            raise GLMValueError(f"--param: {name} has an option or a place of its own")
        try: fields[name] = _decode(value)
        except ValueError:
            if value[:1] in '{["': raise GLMValueError(f"--param KEY=JSON, not {pair}") from None
            fields[name] = value
    return fields

def _ours(path: "Optional[str]", mode: int = 0o600) -> Any:
    """Open a file that this run alone goes on with; without a path one that keeps nothing."""
    if not path: return open(os.devnull, "r+b", 0)
    if os.path.exists(path) and not os.path.isfile(path):
        raise GLMValueError(f"{path}: not a regular file")
    file = open(  # noqa: SIM115
        path, "a+b", 0, opener=lambda name, flags: os.open(name, flags, mode))
    try:
        import fcntl
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise GLMValueError(f"{path}: another run writes to it") from None
    except (ImportError, OSError): pass  # there are no locks
    file.seek(0)
    return file

def _rows(file: Any, wanted: str, pick: "Callable[[Any], Any]", start: bytes = b"") -> "List[Any]":
    """What pick makes of each line of JSON; start: how lines begin in a file of ours.

    There the last may be half, the rest of a write that was killed: it is cut off.
    """
    import json
    found: List[Any] = []
    line = b"\n"
    for number, line in enumerate(file.read().splitlines(True), 1):
        try:
            if line.strip(): found.append(pick(json.loads(line, parse_constant=int)))  # no NaN
        except Exception as error:
            half = start and line[-1:] not in b"\r\n" and start.startswith(line[: len(start)])
            if not half or not isinstance(error, ValueError) or "Extra" in str(error):
                what = f"{file.name}, line {number}: no {wanted}; it stays as it is"
                raise GLMValueError(what) from None
            file.truncate(file.tell() - len(line))
            return found
    if start and line[-1:] != b"\n": file.write(b"\n")
    return found

def _append(file: Any, *rows: Any) -> None:
    """Write all of the rows or, where a disk is full, none."""
    size, data = file.seek(0, 2), b"".join(_encode(row) + b"\n" for row in rows)
    if file.write(data) < len(data):
        file.truncate(size)
        raise OSError(f"{file.name}: no room")

class _Session:
    """A conversation that goes on in a file, a message a line."""
    def __init__(self, file: Any, head: "List[Any]") -> None:
        known = "system", "user", "assistant", "tool"
        self.file, self.head = file, head
        self.turns = _rows(file, "message of a --session",
                           lambda row: dict.fromkeys(known, row)[row["role"]], b'{"role":')
        if self.turns and self.turns[0]["role"] == "system": self.head = [self.turns.pop(0)]

    def messages(self, user: Any) -> "List[Any]": return [*self.head, *self.turns, user]

    def add(self, *turn: Any) -> None:
        if not self.turns and self.file.seek(0, 2): self.file.truncate(0)  # after /clear
        _append(self.file, *([] if self.turns else self.head), *turn)
        self.turns += turn

def _client(args: Any, keyless: bool = False) -> GLM:
    """The client that the options describe; keyless: with '-' where a key is missing."""
    key = _Secret(_plain(_content(args.key_file))) if args.key_file else None
    options = {name: args[name] for name in ("base_url", "auth", "ca_file", "proxy", "timeout")}
    try: return GLM(key, **options)
    except GLMValueError as error:
        if not keyless or error.status_code != 401: raise
        return GLM("-", **options)

def _curl(args: Any, messages: Any) -> str:
    """The request as a command: key and body are here-documents, so neither is an argument."""
    from shlex import quote
    client = _client(args, keyless=True)
    client.__dict__["_call"] = lambda *given: given  # in place of the reply
    _, path, _, body, *_ = client.chat.completions.create(messages=messages, **args.fields)
    name = client._key_name if client._key_name in KEYS else KEYS[0]
    head = f"Authorization: Bearer ${name}\n" if client._key else ""
    return (f"tr -d '\\n' <<'BODY' | curl -sSN -H @/dev/fd/3 --data-binary @- "
            f"{quote(client.base_url + path)} 3<<HEAD\n"
            f"{_encode(body).decode()}\nBODY\n{head}Content-Type: application/json\nHEAD\n")

def _answer(client: GLM, args: Any, session: _Session, user: Any, out: _Writer,
            log: _Writer) -> None:
    """Ask, show the answer as it comes, and keep the turn; raise if it is none."""
    try:
        reply = client.chat.completions.create(messages=session.messages(user), **args.fields)
        for chunk in [reply] if args.no_stream else reply:
            for choice in [one for one in chunk.choices or () if not one.index]:
                part = choice.get("delta", choice.message)
                if args.show_thinking and part.reasoning_content:
                    log.write(part.reasoning_content, more=True)
                if part.content and not args.json:
                    log.end()
                    out.write(_text_in(part.content), more=True)
        whole = reply if args.no_stream else reply.completion
        if args.json: out.write(whole.model_dump_json() + "\n")
    finally:
        log.end()
        out.end()
    if args.usage: log.write(f"tokens: {_encode(whole.usage).decode()}\n")
    text_of(whole)
    if whole.choices[0].finish_reason == "length":
        log.write("glm.py: the answer is cut at max_tokens\n")
    session.add(user, {"role": "assistant", **whole.choices[0].message})

def _talk(client: GLM, args: Any, session: _Session, out: _Writer, log: _Writer) -> None:
    """A conversation at the terminal."""
    try:
        import readline  # input() uses it where there is one
        for line in ("set enable-bracketed-paste on", "set input-meta on", "set output-meta on",
                     "set convert-meta off", "tab: self-insert"):  # Chinese under LANG=C
            readline.parse_and_bind(line)
    except ImportError: pass
    usage = "Ctrl-C stops an answer, Ctrl-D ends; /clear forgets the talk, /help lists this.\n"
    log.write(usage)
    while True:
        try:
            line = input("> ").encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
            if line == "/clear": session.turns.clear()
            elif line[:1] == "/" and line[1:].isalpha(): log.write(usage)
            elif line:
                _answer(client, args, session, _user(args, line), out, log)
                args.image = []  # they belong to the first turn
        except EOFError: return out.write("\n")
        except KeyboardInterrupt: log.write("\n(stopped: this turn is forgotten)\n")
        except (GLMError, UnicodeError) as error: log.write(f"glm.py: {error}\n")

def _task(row: Any) -> "Tuple[str, Any]":
    """Id, and (endpoint, body), of a row of a batch."""
    body = row.get("body") or {"messages": [user_message(row["prompt"])]}
    endpoint = "/" + row.get("url", "/v4/chat/completions").split("/v4/")[1]
    turns = body["messages"] if endpoint == "/chat/completions" else [body]
    if not [*map(dict.keys, turns)]: raise ValueError
    return str(row.get("custom_id") or row["id"]), (endpoint, body)

def _final(client: GLM, args: Any, name: str, task: Any) -> "Dict[str, Any]":
    """Ask a row of a batch, and return its line of the output; raise what may be asked again."""
    (endpoint, body), status, problem = task, 200, None
    try:
        if endpoint != "/chat/completions": body = client.request("POST", endpoint, body)
        else:
            names = "stream", "stream_options", "extra_body", "extra_headers", "timeout"
            one = {**dict.fromkeys(names), "messages": args.head + body["messages"]}
            body = client.chat.completions.create(**{**args.fields, **body, **one})
            text_of(body)
    except (FinishReasonError, APIStatusError) as error:
        clear = error.code in ERROR_CODES or error.status_code in (None, 400, 413, 422)
        if not clear or error.retryable or _exit_code(error) in (3, 4): raise  # or a wrong base URL
        if error.status_code: status, body = error.status_code, error.body
        if error.finish_reason != "tool_calls":
            problem = {"code": error.code or error.finish_reason, "message": str(error)}
    return {"custom_id": name, "response": {"status_code": status, "body": body}, "error": problem}

def _batch(client: GLM, args: Any, log: _Writer) -> int:
    """Answer a file's rows, some at once; each that is final is a line of the output.

    So a new start asks the others: what failed for now, what was not reached. It stops for what
    would fail all rows: at once for key, balance or disk, else after 10 failures in a row.
    """
    import threading
    with open(args.batch, "rb") as source:
        rows = _rows(source, 'row {"id", "prompt"} or {"custom_id", "url", "body"}', _task)
    names = Counter(name for name, _ in rows)
    if len(names) < len(rows):
        raise GLMValueError(f"--batch: {names.most_common(1)[0][0]} is there twice")
    if os.path.realpath(args.output) == os.path.realpath(args.batch):
        raise GLMValueError("-o: another file than that of --batch")
    in_a_row: List[str] = []  # the rows that failed since one went well
    stop: List[Exception] = []
    lock = threading.Lock()

    def state() -> str: return f"{len(final)} of {len(rows)} rows are final; {len(failed)} failed"

    def work() -> None:
        for name, task in todo:
            note = ""
            try:
                row = _final(client, args, name, task)
                with lock: _append(file, row)
                final.add(name)
                if row["error"]: failed.append(name)
                in_a_row.clear()
            except Exception as error:
                failed.append(name)
                in_a_row.append(name)
                lasts = isinstance(error, OSError) or _exit_code(error) in (3, 4)
                if lasts or len(in_a_row) > 9: stop.append(error)
                else: note = f"glm.py: {name}: {error}\n"
            with lock: log.write(note + state() * log.terminal, over=True)
            if stop: return

    with _ours(args.output, 0o666) as file:
        made = dict(_rows(file, "answer of a batch (-o)",
                          lambda row: (str(row["custom_id"]), row["error"]), b'{"custom_id":'))
        final = made.keys() & names.keys()
        failed = [name for name in final if made[name]]
        todo = iter([row for row in rows if row[0] not in final])  # one for all threads
        threads = [threading.Thread(target=work, daemon=True) for _ in rows[: max(args.jobs, 1)]]
        for thread in threads: thread.start()
        for thread in threads:
            while thread.is_alive(): thread.join(0.2)  # one without end is deaf on Windows
    log.write(f"glm.py: {state()}\n", over=True)
    if stop: raise stop[0]
    return 1 if failed else 0

POINTS = "Python", "TLS", "CA", "proxy", "DNS", "connect", "handshake", "clock", "key"

def _points(client: GLM, args: Any) -> "Iterator[str]":
    """Yield what there is to say to each of POINTS; raise at the first that fails."""
    import platform
    import socket
    there = client._opener
    yield f"{platform.python_version()} on {platform.platform()}"
    if there.tls:
        import ssl
        paths = ssl.get_default_verify_paths()
        roots = args.ca_file, os.environ.get("REQUESTS_CA_BUNDLE"), paths.cafile, paths.capath
        yield ssl.OPENSSL_VERSION
        yield ", ".join(filter(None, roots)) or "none: name the issuer's with --ca-file"
    else: yield from ("-", "-")
    host, port, scheme = there.host, there.port, client.base_url.partition(":")[0]
    route: Any = choose_proxy(scheme, host, port, there.proxy) or (host, port, {}, " via none")
    yield route[3][5:]  # without " via "
    host, port = route[:2]
    found = socket.getaddrinfo(host.encode(), port, 0, socket.SOCK_STREAM)
    yield f"{host} is {', '.join(sorted({str(row[4][0]) for row in found}))}"
    start = time.monotonic()
    socket.create_connection((host, port), 8).close()
    yield f"{host}:{port} in {(time.monotonic() - start) * 1000:.0f} ms"
    dated = lambda reply: reply.json() and _date(reply.headers.get("date"))  # noqa: E731
    refusal = None
    try: date = client._call("GET", "/models", dated, None, 15, None)
    except APIStatusError as error: refusal, date = error, error.date
    yield "fine" if there.tls else "-"
    yield f"{time.time() - date:+.0f} s from the server's" if date else "-"
    _client(args)  # fails where there is no key, or a malformed one
    if refusal and refusal.status_code != 404: raise refusal
    sent = {"jwt": "id.secret, sent as a signed token", "key": "sent as it is"}.get(client.auth)
    yield (sent or "-") + "; no /models here: is the base URL right?" * bool(refusal)

def _check(args: Any, out: _Writer) -> int:
    """Say what stands between this machine and an answer, a line a point; it costs no tokens."""
    code, points = 0, _points(_client(args, keyless=True).with_options(max_retries=0), args)
    for name in POINTS:
        try: text = next(points, "-")
        except (GLMError, OSError, ImportError) as error:
            text, code = f"FAILED: {error}", 3 if _exit_code(error) == 3 else 7
        out.write(f"{name:10} {text}\n")
    return code

def _exit_code(error: BaseException, shown: str = "") -> int:
    """The exit code of an error; shown: text of an answer was out before it."""
    row = ERROR_CODES.get(getattr(error, "code", ""))
    status = getattr(error, "status_code", None) or 0
    if isinstance(error, FinishReasonError):
        return 5 if error.finish_reason in ("sensitive", "content_filter") else 8
    if isinstance(error, OSError): return 2 if error.filename else 1
    if isinstance(error, GLMValueError): return 3 if status == 401 else 2
    if shown: return 8
    if row: return int(row.exit)
    if isinstance(error, APIConnectionError) or status >= 500 or status == 408: return 7
    return {401: 3, 402: 4, 403: 3, 429: 6}.get(status, 1)

def _command(args: Any, out: _Writer, log: _Writer) -> int:
    if args.env_file and not load_env(args.env_file):
        raise GLMValueError(f"--env-file: {args.env_file} is not there, or holds no NAME=value")
    if bool(args.batch) != bool(args.output) or (args.batch and args.words):
        raise GLMValueError("--batch IN and -o OUT go together, and without a prompt")
    if args.verbose:
        import logging
        logging.basicConfig(format="%(message)s", level=logging.DEBUG)
    if args.help or args.version: out.write(HELP if args.help else f"glm.py {__version__}\n")
    elif args.explain: out.write(explain(args.explain) + "\n")
    elif args.check: return _check(args, out)
    elif args.models:
        for row in _client(args).models.list().data or (): out.write(f"{row.id}\n")
    elif args.batch: return _batch(_client(args), args, log)
    else:
        with _ours(args.session) as file:
            session = _Session(file, args.head)
            if not (args.words or args.curl) and sys.stdin and sys.stdin.isatty():
                _talk(_client(args), args, session, out, log)
            elif args.curl: out.write(_curl(args, session.messages(_prompt(args))))
            else: _answer(_client(args), args, session, _prompt(args), out, log)
    return 0

def main(argv: "Optional[List[str]]" = None) -> int:
    """Run the command line and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    out, log, args = _Writer(sys.stdout, True), _Writer(sys.stderr), Record(json="--json" in argv)
    try:
        args = _parse(argv)
        return _command(args, out, log)
    except KeyboardInterrupt: return 130
    except BrokenPipeError: return 141
    except Exception as error:
        code, text = _exit_code(error, out.last), str(error) or type(error).__name__
        if args.json:
            facts = {name: getattr(error, name, None) for name
                     in ("code", "retryable", "request_id", "retry_at", "partial")}
            text = Record(error=dict(facts, message=text, exit=code)).model_dump_json(default=str)
        log.write(text + "\n" if args.json else f"glm.py: {text}\n")
        return code

if __name__ == "__main__":
    raise SystemExit(main())
