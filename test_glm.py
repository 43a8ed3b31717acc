"""Tests of glm.py, and the stand-in service that they and newcomers without a key use.

python3 -m pytest test_glm.py             the tests (nothing but pytest is needed)
python3 test_glm.py "Say hello"           glm.py's command line against the stand-in
python3 test_glm.py --serve               the stand-in alone, for any client
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import select
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import zlib
from collections import deque, namedtuple
from email.utils import formatdate

import glm

# -- Stand-in service --------------------------------------------------------------------------

KEY = "standin.0f1e2d3c"
# For tests only: both were made once with openssl, for localhost, glm.test and 127.0.0.1, to 2099.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBtTCCAVqgAwIBAgIBATAKBggqhkjOPQQDAjAcMRowGAYDVQQDDBFnbG0ucHkg
dGVzdHMgb25seTAgFw0yMDAxMDEwMDAwMDBaGA8yMDk5MTIzMTIzNTk1OVowHDEa
MBgGA1UEAwwRZ2xtLnB5IHRlc3RzIG9ubHkwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAAQ9wHvCWZZOs0WPP0XuOH0yzx/tjFHbgPQY5tv9UeyDBQdympCMbgE3z3JR
xd254O9c6aKfnHJAbXmLLO6FoJLCo4GKMIGHMA8GA1UdEwEB/wQFMAMBAf8wDgYD
VR0PAQH/BAQDAgKEMCQGA1UdEQQdMBuCCWxvY2FsaG9zdIIIZ2xtLnRlc3SHBH8A
AAEwHQYDVR0OBBYEFLTJ7wYZGCuYXuIO08NkwOzEJ36HMB8GA1UdIwQYMBaAFLTJ
7wYZGCuYXuIO08NkwOzEJ36HMAoGCCqGSM49BAMCA0kAMEYCIQDZSo3DQT1j4uNb
H8UlCi0Uvpf0n43/keLKKlBEvQ/WtQIhAKJl50fmhpe/xnIS0TC1bDVbWJL5r97L
Tz/AfpBLmP7p
-----END CERTIFICATE-----
"""
PRIVATE_KEY = """\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIHav3rly1Q1Ju2Q/38A4Ub/0mqfNn9TQ+9vbw6/9R1JLoAoGCCqGSM49
AwEHoUQDQgAEPcB7wlmWTrNFjz9F7jh9Ms8f7YxR24D0GObb/VHsgwUHcpqQjG4B
N89yUcXdueDvXOmin5xyQG15iyzuhaCSwg==
-----END EC PRIVATE KEY-----
"""
CLOSE, RESET = "close", "reset"  # what a scripted reply may end with
Seen = namedtuple("Seen", "method path headers body")  # a request as it came


def reply(body, status=200, **headers):
    """The bytes of a reply: body is JSON, text or bytes."""
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body, ensure_ascii=False)
        headers.setdefault("content_type", "application/json")
    body = body.encode("utf-8", "replace") if isinstance(body, str) else body
    headers.setdefault("content_length", len(body))
    headers.setdefault("date", formatdate(usegmt=True))
    head = "HTTP/1.1 {} x\r\n".format(status)
    for name, value in headers.items():
        if value is not None:
            head += "{}: {}\r\n".format(name.replace("_", "-"), value)
    return (head + "\r\n").encode("latin-1") + body


def failure(code, status=400, message="no", **headers):
    return reply({"error": {"code": str(code), "message": message}}, status, **headers)


def chunk(content=None, finish=None, usage=None, **delta):
    """One event of a stream, as the service sends it."""
    delta = dict({"role": "assistant"}, **delta)
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta}
    if finish:
        choice["finish_reason"] = finish
    event = {"id": "2026", "created": 1, "model": "glm-stand-in", "choices": [choice]}
    return dict(event, usage=usage) if usage else event


def events(*items, end="\n"):
    """Server-sent events: dicts as JSON, text as it is."""
    texts = [i if isinstance(i, str) else json.dumps(i, ensure_ascii=False) for i in items]
    return "".join("data: " + text + end + end for text in texts).encode("utf-8", "replace")


def http_chunk(data):
    """Bytes as HTTP sends them where it tells no length."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def stream(body, chunked=True, sizes=None, end=b"0\r\n\r\n", **headers):
    """The bytes of a streamed reply; sizes: of the HTTP chunks, one for each event if not given."""
    headers = dict({"content_type": "text/event-stream;charset=UTF-8"}, **headers)
    if not chunked:
        return reply(body, content_length=None, connection="close", **headers)
    pattern = b".{1,%d}" % sizes if sizes else b".+?(?:\n\n|\\Z)"
    head = reply(b"", content_length=None, transfer_encoding="chunked", **headers)
    return head + b"".join(map(http_chunk, re.findall(pattern, body, re.S))) + end


ANSWER = [chunk("Hel"), chunk("lo"), chunk("", "stop", usage={"total_tokens": 7}), "[DONE]"]


def decode_token(token, secret):
    """The claims of a JWT, None where its signature is not right."""
    text, _, signature = token.rpartition(".")
    good = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    if base64.urlsafe_b64encode(good).decode().rstrip("=") != signature:
        return None
    return json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "==").decode())


def read_request(file):
    """The next request of a connection, None where the peer has left."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        if not line:
            return None
        head += line
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    size = int(headers.get("content-length", 0))
    body = file.read(size)
    return Seen(method, path, headers, body) if len(body) == size else None


def parse_form(seen):
    """name -> (file name, bytes) of a multipart body."""
    boundary = seen.headers["content-type"].partition("boundary=")[2].encode()
    parts = {}
    for part in seen.body.split(b"--" + boundary)[1:-1]:
        head, _, body = part.partition(b"\r\n\r\n")
        found = re.search('name="([^"]*)"(?:; filename="([^"]*)")?', head.decode())
        parts[found.group(1)] = found.group(2), body[:-2]
    return parts


def parse_body(seen):
    """The fields of a request, sent as a form or as JSON."""
    if "form-data" in seen.headers.get("content-type", ""):
        return parse_form(seen)
    return json.loads(seen.body.decode()) if seen.body else {}


def relay(source, target):
    """Copy what one socket receives to another, until it ends."""
    with contextlib.suppress(OSError):
        try:
            for block in iter(lambda: source.recv(65536), b""):
                target.sendall(block)
        finally:
            target.shutdown(socket.SHUT_WR)


def in_background(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


SAME_EVERY_TIME = {  # the path of a POST, its reply
    "/images/generations": {"created": 1, "data": [{"url": "https://x/cat.png"}]},
    "/moderations": {"result_list": [{"content_type": "text", "risk_level": "PASS"}]},
    "/layout_parsing": {"id": "1", "md_results": "# Title", "usage": {"total_tokens": 3}},
    "/tokenizer": {"usage": {"prompt_tokens": 3, "total_tokens": 3}},
}


class Service:
    """A GLM service on loopback: scripted replies first, then what a real one might say.

    A scripted reply is bytes, or a list of bytes, numbers (seconds to wait), CLOSE and RESET.
    """

    def __init__(self, context=None, port=0, clock=0.0, pace=0.0):
        self.context, self.clock = context, clock
        self.pace = pace  # seconds between the lines of a long answer; with it, thinking takes 2
        self.replies, self.requests, self.connections, self.gate = deque(), [], 0, threading.Event()
        self.files, self.tasks, self.batches = {}, {}, {}
        self.left = []  # when a peer left while it was kept waiting
        self.greeting = []  # what each peer gets at once, and then no more, like a scripted reply
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        self.url = "http{}://127.0.0.1:{}/api/paas/v4".format("s" if context else "", self.port)
        self.accepting = in_background(self.accept)

    def close(self):
        """Listen no more. The thread that accepts ends before its descriptor goes to another one."""
        self.gate.set()
        with contextlib.suppress(OSError):  # closed before
            socket.create_connection(("127.0.0.1", self.port)).close()
        self.accepting.join()
        self.listener.close()

    def accept(self):
        while True:
            peer, _ = self.listener.accept()
            if self.gate.is_set():
                return peer.close()
            self.connections += 1
            in_background(self.serve, peer)

    def serve(self, peer):
        with contextlib.suppress(OSError), peer:  # the peer has left
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.greeting:
                self.write(peer, self.greeting)
            elif self.context:
                with self.context.wrap_socket(peer, server_side=True) as secured:
                    self.converse(secured)
            else:
                self.converse(peer)

    def converse(self, peer):
        with peer.makefile("rb") as file:
            if file.peek(1)[:1] == b"\x16":  # a TLS hello
                return peer.sendall(reply("plain HTTP here", 400))
            for seen in iter(lambda: read_request(file), None):
                self.requests.append(seen)
                if seen.method == "CONNECT":
                    return self.tunnel(peer, seen.path)
                if self.write(peer, self.choose(seen)):
                    return

    def write(self, peer, parts):
        """Send a reply; true if the connection ends with it."""
        parts = [parts] if isinstance(parts, bytes) else parts
        for part in parts:
            if part is RESET:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if part in (CLOSE, RESET):
                return True
            if isinstance(part, bytes):
                peer.sendall(part)
            elif self.wait(peer, part):
                return True
        return isinstance(parts[0], bytes) and b"connection: close" in parts[0][:999]

    def wait(self, peer, seconds):
        """Wait; true if the other end has left, or the service is closed, before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.gate.is_set():
            pause = min(0.05, max(0.0, end - time.monotonic()))
            if not select.select([peer], [], [], pause)[0]:
                continue
            if self.context or not peer.recv(1, socket.MSG_PEEK):
                self.left.append(time.monotonic())
                return True
            self.gate.wait(pause)
        return self.gate.is_set()

    def tunnel(self, peer, path):
        """Be a proxy: let the two ends talk. The name is not looked up: all is on loopback."""
        if self.replies:
            return self.write(peer, self.replies.popleft())
        with socket.create_connection(("127.0.0.1", int(path.rpartition(":")[2]))) as other:
            peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            thread = in_background(relay, other, peer)
            relay(peer, other)
            thread.join(1)

    def choose(self, seen):
        with contextlib.suppress(IndexError):
            return self.replies.popleft()
        try:
            return self.answer(seen)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            return failure(1213, 400, "this request is not whole: %r" % error)

    def answer(self, seen):
        """What the real service might say."""
        refusal = self.check(seen.headers.get("authorization", "").replace("Bearer ", ""))
        if refusal:
            return failure(*refusal, date=formatdate(time.time() + self.clock, usegmt=True))
        path = seen.path.split("/api/paas/v4")[-1].partition("?")[0]
        if seen.method == "POST" and path in SAME_EVERY_TIME:
            return reply(SAME_EVERY_TIME[path])
        group, _, rest = path[1:].partition("/")
        handler = getattr(self, seen.method.lower() + "_" + group.replace("-", "_"), None)
        if handler:
            return handler(rest, parse_body(seen))
        return reply({"status": 404, "error": "Not Found", "path": seen.path}, 404)

    def check(self, credential):
        """What is wrong with a key or token, None if it is good."""
        if credential.count(".") != 2:
            bad = (1000 if credential else 1001, 401, "身份验证失败")
            return None if credential == KEY else bad
        claims = decode_token(credential, KEY.split(".")[1])
        if not claims:
            return 1002, 401, "令牌非法"
        now = (time.time() + self.clock) * 1000
        fresh = claims["timestamp"] - 60000 < now < claims["exp"]
        return None if fresh else (1003, 401, "令牌已过期")

    def completion(self, body):
        """The reply to a chat request: it repeats, calls the first tool, or tells a long story."""
        last = body["messages"][-1]
        text = last["content"]
        if isinstance(text, list):
            text = " ".join(part.get("text", "(" + part["type"] + ")") for part in text)
        message = {"role": "assistant", "content": "You said: " + str(text)}
        if str(text).startswith("long"):
            message["content"] = "\n".join("This is line %d of 200." % n for n in range(1, 201))
        thinking = (body.get("thinking") or {}).get("type") == "enabled"
        if thinking or (body.get("chat_template_kwargs") or {}).get("enable_thinking"):
            message["reasoning_content"] = "They said something."
        finish = "stop"
        tools = [tool for tool in body.get("tools") or [] if tool["type"] == "function"]
        if tools and last["role"] != "tool":
            function = {"name": tools[0]["function"]["name"], "arguments": '{"location": "北京"}'}
            call = {"id": "call_1", "type": "function", "index": 0, "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
            finish = "tool_calls"
        words = len(str(text).split())
        usage = {"prompt_tokens": words, "completion_tokens": words + 2}
        return {
            "id": "20261121",
            "created": int(time.time()),
            "model": body["model"],
            "request_id": "r1",
            "choices": [{"index": 0, "finish_reason": finish, "message": message}],
            "usage": dict(usage, total_tokens=2 * words + 2),
        }

    def post_chat(self, rest, body):
        if not any(message.get("role") in ("user", "tool") for message in body["messages"]):
            return failure(1214, 400, "messages 参数非法")
        whole = self.completion(body)
        choice = whole["choices"][0]
        message = choice["message"]
        thinks = [2.0] if self.pace and message.get("reasoning_content") else []
        if not body.get("stream"):
            return [*thinks, reply(whole)]
        head = {name: whole[name] for name in ("id", "created", "model", "request_id")}

        def event(*args, **delta):
            return http_chunk(events(dict(chunk(*args, **delta), **head)))

        parts = [stream(b"", end=b"")]
        for name in ("reasoning_content", "tool_calls"):
            if message.get(name):
                parts += [event(**{name: message[name]}), *thinks]
        content = message["content"] or ""
        size = 4 if len(content) < 1000 else 24
        pauses = [self.pace] if self.pace and size > 4 else []
        for at in range(0, len(content), size):
            parts += [event(content[at : at + size]), *pauses]
        parts.append(event("", choice["finish_reason"], usage=whole["usage"]))
        parts.append(http_chunk(events("[DONE]")) + b"0\r\n\r\n")
        return parts if self.pace else b"".join(parts)

    def get_models(self, rest, body):
        if rest:
            return failure(1211, 404, "no such model")
        return reply({"object": "list", "data": [{"id": "glm-stand-in", "object": "model"}]})

    def task(self, body, **result):
        name = "task-%d" % (len(self.tasks) + 1)
        self.tasks[name] = [dict(task_status="PROCESSING"), dict(result, task_status="SUCCESS")]
        task = {"id": name, "request_id": "r1", "model": body["model"]}
        return reply(dict(task, task_status="PROCESSING"))

    def post_videos(self, rest, body):
        video = {"url": "https://x/v.mp4", "cover_image_url": "https://x/v.png"}
        return self.task(body, video_result=[video])

    def post_async(self, rest, body):
        if rest == "images/generations":
            return self.task(body, image_result=[{"url": "https://x/cat.png"}])
        message = {"role": "assistant", "content": "You said: " + body["messages"][-1]["content"]}
        return self.task(body, choices=[{"index": 0, "finish_reason": "stop", "message": message}])

    def get_async_result(self, rest, body):
        states = self.tasks.get(rest)
        if not states:
            return failure(1211, 404, "no such task")
        return reply(dict(states.pop(0) if states[1:] else states[0], id=rest, request_id="r1"))

    def post_embeddings(self, rest, body):
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        vectors = [[float(len(text)), 0.5] for text in texts]
        rows = [{"index": i, "object": "embedding", "embedding": v} for i, v in enumerate(vectors)]
        usage = {"total_tokens": 3}
        return reply({"model": body["model"], "object": "list", "data": rows, "usage": usage})

    def post_assistant(self, rest, body):
        event = dict(chunk("found it", "stop"), conversation_id="c1", status="completed")
        return stream(events(event, "[DONE]")) if body.get("stream") else failure(1212)

    def post_files(self, rest, body):
        file = {"id": "file-%d" % (len(self.files) + 1), "object": "file", "created_at": 1}
        if "upload_detail" in body:
            return reply(file)
        filename, data = self.files[file["id"]] = body["file"]
        purpose = body["purpose"][1].decode()
        return reply(dict(file, filename=filename, bytes=len(data), purpose=purpose))

    def get_files(self, rest, body):
        if rest:
            data = self.files[rest.partition("/")[0]][1]
            return reply(data, content_type="application/octet-stream")
        files = self.files.items()
        rows = [{"id": name, "filename": file[0], "bytes": len(file[1])} for name, file in files]
        return reply({"object": "list", "data": rows, "has_more": False})

    def delete_files(self, rest, body):
        deleted = self.files.pop(rest, None) is not None
        return reply({"id": rest, "object": "file", "deleted": deleted})

    def post_batches(self, rest, body):
        name, _, action = rest.partition("/")
        if action:
            return reply(dict(self.batches.get(name, {"id": name}), status="cancelling"))
        name = "batch-%d" % (len(self.batches) + 1)
        batch = dict(body, id=name, object="batch", status="validating")
        rows = self.files.get(body["input_file_id"], ("", b""))[1].splitlines()
        results = b"".join(self.batch_row(json.loads(row.decode("utf-8"))) for row in rows)
        output = "file-%d" % (len(self.files) + 1)
        self.files[output] = ("results.jsonl", results)
        counts = {"total": len(rows), "completed": len(rows), "failed": 0}
        more = {"status": "completed", "output_file_id": output, "request_counts": counts}
        self.batches[name] = dict(batch, **more)
        return reply(batch)

    def batch_row(self, row):
        response = {"status_code": 200, "body": self.completion(row["body"])}
        result = {"id": "1", "custom_id": row["custom_id"], "response": response}
        return json.dumps(result, ensure_ascii=False).encode("utf-8") + b"\n"

    def get_batches(self, rest, body):
        batch = {"id": rest or "batch-1", "object": "batch", "status": "completed"}
        batch = self.batches.get(rest, dict(batch, output_file_id="file-1"))
        return reply(batch if rest else {"object": "list", "data": [batch], "has_more": False})

    def post_web_search(self, rest, body):
        found = {"title": body["search_query"], "link": "https://x", "content": "text"}
        return reply({"id": "1", "created": 1, "search_intent": [], "search_result": [found]})

    def post_rerank(self, rest, body):
        count = len(body["documents"])
        rows = [{"index": i, "relevance_score": 1.0 / (i + 1)} for i in range(count)]
        return reply({"results": rows, "usage": {"total_tokens": 3}})

    def post_audio(self, rest, body):
        if rest == "transcriptions":
            data = body["file_base64"] if "file_base64" in body else body["file"][1]
            return reply({"id": "1", "text": "heard %d bytes" % len(data)})
        if body.get("stream"):
            return stream(events(chunk("AAAA"), chunk("", "stop"), "[DONE]"))
        return reply(b"RIFF\0\0\0\0WAVE", content_type="audio/wav")

    def post_v1(self, rest, body):
        if body.get("stream"):
            return stream(events(chunk({"type": "text", "text": "found"}), "[DONE]"))
        return reply({"status": "success", "agent_id": body["agent_id"], "choices": []})

    def post_reader(self, rest, body):
        return reply({"reader_result": {"title": "x", "content": "text", "url": body["url"]}})


def serve():
    """Run the stand-in until it is killed, and tell a shell how to use and to end it."""
    try:
        service = Service(port=8000, pace=0.03)
    except OSError:  # the port is taken
        service = Service(pace=0.03)
    print("export GLM_BASE_URL=" + service.url)
    print("export GLM_API_KEY=" + KEY)
    print("# A stand-in, no model. It ends with: kill {}".format(os.getpid()), flush=True)
    if not os.isatty(1):  # Ctrl-C is for the shell that has it in the background
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # so that eval "$(python3 test_glm.py --serve &)" has all there is
    with contextlib.suppress(KeyboardInterrupt):
        service.gate.wait()
    return 0


def main(argv):
    if argv == ["--serve"]:
        return serve()
    service = Service(pace=0.03)
    print("[stand-in service on loopback: no model answers, it repeats]", file=sys.stderr)
    os.environ.update(GLM_API_KEY=KEY, GLM_BASE_URL=service.url, GLM_AUTH="jwt")
    os.environ.setdefault("GLM_MODEL", "glm-stand-in")
    return glm.main(argv)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

import asyncio
import copy
import functools
import gc
import inspect
import io
import operator
import pickle
import random
import shlex
import shutil
import stat
import subprocess
import traceback
import typing
import urllib.request
from http.client import HTTPResponse
from unittest import mock

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
MESSAGES = [{"role": "user", "content": "Hi"}]
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # of a background job; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
LINUX = sys.platform.startswith("linux")
FUZZ = int(os.environ.get("GLM_TEST_FUZZ", 1500))  # mutated replies, and calls of the soak
needs_linux = pytest.mark.skipif(not LINUX, reason="looks into Linux, or relies on its ways")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")


def local(text):
    """A file's name as this Python has it: without a locale, 3.6 has bytes in disguise."""
    return os.fsdecode(text.encode("utf-8")) if sys.getfilesystemencoding() == "ascii" else text


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """No key, proxy or base URL of the machine that the tests run on."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("GLM_", "ZAI_", "ZHIPU")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


@pytest.fixture
def service():
    one = Service()
    yield one
    one.close()


@pytest.fixture
def other_service():
    one = Service()
    yield one
    one.close()


def client_for(url, **options):
    """A client that does not retry."""
    return glm.GLM(KEY, url, **dict({"max_retries": 0, "timeout": 5}, **options))


@pytest.fixture
def client(service):
    with client_for(service.url) as one:
        yield one


def server_context():
    """A context of TLS without a certificate."""
    return ssl.SSLContext(getattr(ssl, "PROTOCOL_TLS_SERVER", ssl.PROTOCOL_TLS))


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """(server context, path of the certificate that signs it)"""
    folder = tmp_path_factory.mktemp("tls")
    for name, text in (("ca.pem", CERTIFICATE), ("key.pem", PRIVATE_KEY)):
        (folder / name).write_text(text)
    context = server_context()
    context.load_cert_chain(str(folder / "ca.pem"), str(folder / "key.pem"))
    return context, str(folder / "ca.pem")


@pytest.fixture
def secure(tls, monkeypatch, tmp_path):
    """A service that speaks TLS."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # the machine's folder may have hashed names
    one = Service(tls[0])
    yield one
    one.close()


@pytest.fixture
def secure_client(secure, tls):
    with client_for(secure.url, ca_file=tls[1]) as one:
        yield one


@pytest.fixture(params=["http", "https"])
def either(request):
    """(service, client) by plain http and by TLS."""
    names = ("secure", "secure_client") if request.param == "https" else ("service", "client")
    return tuple(map(request.getfixturevalue, names))


def ask(client, **params):
    return client.chat.completions.create(model="m", messages=MESSAGES, **params)


def answer_of(client, **params):
    """The text of a reply."""
    return ask(client, **params).choices[0].message.content


def streamed(client, prompt="Hi"):
    """The text of a stream."""
    return "".join(client.stream(prompt, model="m"))


def caught(call, kind=glm.GLMError):
    with pytest.raises(kind) as info:
        call()
    return info.value


def error_of(client, kind=glm.GLMError, **params):
    """The error that a question ends with."""
    return caught(lambda: ask(client, **params), kind)


def partial_text(error):
    """What an error has of the answer."""
    return error.partial.choices[0].message.content


def ask_reply(text="Hi", finish="stop", **message):
    """The bytes of a reply to a question."""
    message = dict({"role": "assistant", "content": text}, **message)
    return reply({"choices": [{"index": 0, "finish_reason": finish, "message": message}]})


def body_of(answer):
    """The body of a reply's bytes."""
    return answer.partition(b"\r\n\r\n")[2]


@contextlib.contextmanager
def takes(least, most):
    """What is inside takes so many seconds."""
    start = time.monotonic()
    yield
    assert least < time.monotonic() - start < most


def wait_for(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


class Answers:
    """An opener that answers by itself: for hosts that no test may reach."""

    def __init__(self, *replies):
        self.replies, self.requests = list(replies), []

    def open(self, request, timeout=None):
        self.requests.append(request)
        sock = mock.Mock(makefile=mock.Mock(return_value=io.BytesIO(self.replies.pop(0))))
        response = HTTPResponse(sock, method=request.get_method())
        response.begin()
        return response


# -- Constants ---------------------------------------------------------------------------------

CODES = """500 401 1000 1001 1002 1003 1004 1005 1100 1110 1111 1112 1113 1120 1121 1200 1210 1211
1212 1213 1214 1215 1220 1221 1222 1230 1231 1234 1261 1300 1301 1302 1303 1304 1305 1308 1309 1310
1311 1312 1313 1314 1315 1316 1317 1318 1319 1320 1321""".split()


def test_every_code_of_the_vendors_lists_is_there():
    assert sorted(glm.ERROR_CODES) == sorted(CODES)
    for code, row in glm.ERROR_CODES.items():
        assert row.retry in ("yes", "no", "sign", "until") and row.exit_code in range(1, 9), code
        assert re.search("[\u4e00-\u9fff]", row.zh) and row.en.encode("ascii")
        assert row.zh in glm.explain(code) and row.en in glm.explain(int(code))


# -- Errors ------------------------------------------------------------------------------------


def test_explain():
    assert "not a known code" in glm.explain("9999")
    assert glm.explain() == "\n".join(map(glm.explain, glm.ERROR_CODES))
    assert "low, high or max" in glm.explain(1210) and "base URL" in glm.explain(1113)


STATUS_CLASSES = {
    400: glm.APIRequestFailedError,
    401: glm.APIAuthenticationError,
    403: glm.PermissionDeniedError,
    404: glm.NotFoundError,
    409: glm.ConflictError,
    422: glm.UnprocessableEntityError,
    429: glm.APIReachLimitError,
    500: glm.APIInternalError,
    503: glm.APIServerFlowExceedError,
}


@pytest.mark.parametrize("code", CODES)
def test_the_code_decides_class_and_retry(service, client, code):
    row = glm.ERROR_CODES[code]
    status = row.status or 409
    service.replies.append(failure(code, status, "server says"))
    error = error_of(client)
    assert type(error) is STATUS_CLASSES[status]
    assert (error.code, error.status_code, error.exit_code) == (code, status, row.exit_code)
    assert error.retryable is (row.retry == "yes") and str(error) == error.message
    assert all(text in str(error) for text in ("server says", row.zh, row.en, service.url))


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 408, 409, 418, 422, 429, 500, 502, 503, 529]
)
def test_an_unknown_code_leaves_it_to_the_status(service, client, status):
    service.replies.append(failure("9999", status, x_request_id="r9"))
    error = error_of(client)
    other = glm.APIInternalError if status >= 500 else glm.APIStatusError
    assert type(error) is STATUS_CLASSES.get(status, other) and error.request_id == "r9"
    assert error.retryable is (status in (408, 429) or status >= 500)


SHAPES = [  # body, its code, its text: the shapes of api.md 5.3
    ({"error": {"code": "1214", "message": "bad"}}, "1214", "bad"),
    ({"error": {"code": "1214", "message": "bad"}, "request_id": "r7"}, "1214", "bad"),
    ({"code": 1214, "message": "bad"}, "1214", "bad"),
    ({"code": 401, "msg": "bad", "success": False}, "401", "bad"),
    ({"type": "error", "error": {"type": "x", "code": "1308", "message": "bad"}}, "1308", "bad"),
    ({"status": 404, "error": "Not Found", "path": "/x"}, None, "Not Found"),
    ({"object": "error", "message": "bad", "type": "x", "code": 400}, "400", "bad"),
    ({"detail": "bad"}, None, ": bad ["),
    ({"message": "two\nlines"}, None, ": two lines ["),
    ({"error": {"code": "422", "message": "bad"}}, "422", "HTTP 422: bad; 422: not a known code"),
    ({"error": {"message": "bad", "code": None}}, None, "bad"),
    ("<html>WAF</html>", None, "WAF"),
    ("", None, "an empty body"),
    ("[1, 2]", None, "[1, 2]"),
]


@pytest.mark.parametrize("body, code, text", SHAPES)
def test_error_bodies_of_every_shape(service, client, body, code, text):
    service.replies.append(reply(body, 422))
    error = error_of(client, glm.APIStatusError)
    assert error.code == code and text in str(error) and error.status_code == 422
    assert error.request_id == ("r7" if "request_id" in body else None)


BAD_200 = [  # HTTP 200 that holds no answer
    ({"error": {"code": "1000", "message": "no"}}, glm.APIAuthenticationError),
    ({"code": 1302, "success": False, "msg": "no"}, glm.APIReachLimitError),
    ({"code": 500, "msg": "404 NOT_FOUND", "success": False}, glm.APIInternalError),
    ({"msg": "no", "success": False}, glm.APIStatusError),
    ("<html>log in</html>", glm.APIResponseValidationError),
    ("{broken", glm.APIResponseValidationError),
    ("[]", glm.APIResponseValidationError),
    ("7", glm.APIResponseValidationError),
    ("", glm.APIResponseValidationError),
    ({"id": "x"}, glm.APIResponseValidationError),
    ({"choices": []}, glm.APIResponseValidationError),
    ({"choices": None}, glm.APIResponseValidationError),
    ({"choices": [7]}, glm.APIResponseValidationError),
]


@pytest.mark.parametrize("body, kind", BAD_200)
def test_a_200_that_holds_no_answer(service, client, body, kind):
    service.replies.extend([reply(body)] * 2)
    assert service.url in str(error_of(client, kind))
    if kind is glm.APIResponseValidationError:
        kind = glm.APIResponseError  # in a stream, what is cut off and what is no JSON look alike
    caught(lambda: list(ask(client, stream=True)), kind)


VENDOR = {"error": {"code": "1113", "message": "no money"}}
QUOTED = json.dumps(VENDOR)
WRAPPED = [  # the body of a gateway's reply that holds the vendor's error; the code alone decides
    VENDOR,
    {"error": {"code": 1113, "message": "no money"}},
    [VENDOR],
    {"error": {"message": "[1113][no money][20260121]", "type": "upstream_error", "code": None}},
    {"error": {"message": QUOTED, "type": "api_error", "code": "provider_response_error"}},
    {"error": {"message": "RateLimitError: ZaiException - " + QUOTED, "code": "429"}},
    {"detail": QUOTED},
    {"detail": VENDOR},
    {"error": json.dumps({"message": QUOTED})},
    QUOTED,
    "upstream said: " + QUOTED,
]
ONLY_ALIKE = [
    {"error": {"message": "see {x}", "code": "429"}},
    {"error": {"message": "[9][x]"}},
    "{",
    "[1113]",
]


@pytest.mark.parametrize("body", WRAPPED)
def test_the_vendors_error_within_a_gateways(service, client, body):
    service.replies.append(reply(body, 429))
    error = error_of(client, glm.APIReachLimitError)
    assert (error.code, error.retryable, error.exit_code) == ("1113", False, 4)
    assert "no money" in str(error)


@pytest.mark.parametrize("body", ONLY_ALIKE)
def test_what_only_looks_like_the_vendors_error(service, client, body):
    service.replies.append(reply(body, 429))
    assert error_of(client).retryable


def test_an_error_page_shows_its_title(service, client):
    page = "<!DOCTYPE html>\n<!--[if IE 7]> <html> <![endif]-->\n<head>\n<TITLE>llm.example |\n"
    page += " 524: A timeout</TITLE></head>" + "x" * 9999
    service.replies.extend([reply(page, 524), reply(page)])
    error = error_of(client, glm.APIInternalError)
    assert "HTTP 524: llm.example | 524: A timeout [" in str(error) and error.body == page
    error = error_of(client, glm.APIResponseValidationError)
    assert "llm.example | 524: A timeout" in str(error)


def test_the_tree_of_errors():
    assert issubclass(glm.GLMValueError, ValueError)
    assert issubclass(glm.APITimeoutError, glm.APIConnectionError)
    assert issubclass(glm.StreamInterruptedError, glm.APIConnectionError)
    assert issubclass(glm.APIConnectionError, glm.APIResponseError)
    assert issubclass(glm.APIServerFlowExceedError, glm.APIInternalError)


def test_names_of_openai_and_zhipuai():
    assert glm.ZhipuAI is glm.ZhipuAiClient is glm.OpenAI is glm.GLM
    assert glm.APIError is glm.OpenAIError is glm.ZaiError is glm.ZhipuAIError is glm.GLMError
    assert glm.BadRequestError is glm.APIRequestFailedError
    assert glm.AuthenticationError is glm.APIAuthenticationError
    assert glm.RateLimitError is glm.APIReachLimitError
    assert glm.InternalServerError is glm.APIInternalError
    assert glm.ChatCompletion is glm.Completion and glm.ChatCompletionChunk is glm.Chunk
    assert glm.ChatCompletionMessage is glm.CompletionMessage is glm.Function is glm.Record
    assert glm.ChatCompletionMessageToolCall is glm.Record and glm.NOT_GIVEN is glm.omit is None
    assert issubclass(glm.ZaiClient, glm.GLM)
    assert glm.ZaiClient(KEY).base_url == glm.BASE_URLS["zai"]


EXIT_CODES = [
    (glm.GLMError, 1),
    (glm.GLMValueError, 2),
    (glm.FinishReasonError, 8),
    (glm.APICancelledError, 130),
    (glm.APIConnectionError, 7),
    (glm.APITimeoutError, 7),
    (glm.StreamInterruptedError, 8),
    (glm.APIStatusError, 1),
    (glm.APIAuthenticationError, 3),
    (glm.PermissionDeniedError, 3),
    (glm.APIReachLimitError, 6),
    (glm.APIInternalError, 7),
    (glm.APIResponseValidationError, 1),
]


@pytest.mark.parametrize("kind, code", EXIT_CODES)
def test_errors_know_their_exit_code(kind, code):
    error = kind("x")
    assert error.exit_code == code == pickle.loads(pickle.dumps(error)).exit_code
    assert error.message == "x" and error.partial is None
    assert kind(exit_code=5).exit_code == 5


def test_errors_pickle_with_their_facts(service, client):
    service.replies.append(failure(1308, 429, "reset at 2030-01-01 00:00:00", retry_after=3))
    error = error_of(client)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
    assert vars(again) == vars(error) and again.retry_after == 3.0
    assert again.body.error == {"code": "1308", "message": "reset at 2030-01-01 00:00:00"}


def stamp(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8 * 3600 + seconds))


@pytest.mark.parametrize("wording", ["reset at {}", "您的限额将在 {} 重置。", "{} 后可继续使用"])
@pytest.mark.parametrize("code, seconds", [(1308, -60), (1308, 33 * 86400), (1113, 3600)])
def test_retry_at_is_utc_plus_8_plausible_and_of_quotas(service, client, wording, code, seconds):
    service.replies.append(failure(1308, 429, wording.format(stamp(3600))))
    error = error_of(client)
    assert abs(error.retry_at.timestamp() - time.time() - 3600) < 2 and not error.retryable
    service.replies.append(failure(code, 429, wording.format(stamp(seconds))))
    assert error_of(client).retry_at is None


HINTS = [  # status, code, another base URL that the key may belong to
    (429, "1113", "https://open.bigmodel.cn/api/coding/paas/v4"),
    (401, "1000", "https://api.z.ai/api/paas/v4"),
    (404, None, "https://open.bigmodel.cn/api/coding/paas/v4"),
]


@pytest.mark.parametrize("status, code, words", HINTS)
def test_other_base_urls_are_named(status, code, words):
    opener = Answers(failure(code, status))
    error = error_of(glm.GLM(KEY, auth="key", opener=opener))
    assert words in str(error) and len(opener.requests) == 1
    assert "another base_url: https://open.bigmodel.cn/api/paas/v4," not in str(error)


# -- Tokens ------------------------------------------------------------------------------------

GOLDEN = (  # PyJWT 2.8 made it of abc.secret at 1700000000
    "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04iLCJ0eXAiOiJKV1QifQ.eyJhcGlfa2V5IjoiYWJjIiwiZXhwIjox"
    "NzAwMDAwMjEwMDAwLCJ0aW1lc3RhbXAiOjE3MDAwMDAwMDAwMDB9.-1KQNVMlidOlPPJa4q-T_H6qDPzh6QGSwex6an159PQ"
)


def test_a_token_is_what_pyjwt_makes():
    assert glm.generate_token("abc.secret", 210, now=1700000000) == GOLDEN
    claims = decode_token(glm.generate_token("abc.secret", 3600), "secret")
    assert abs(claims["timestamp"] / 1000 - time.time()) < 5
    assert claims["exp"] - claims["timestamp"] == 3600000


@pytest.mark.parametrize("key", ["", "hush", "hush.", ".hush", "a.hush.c"])
def test_a_token_needs_a_key_with_one_dot(key):
    assert "hush" not in str(caught(lambda: glm.generate_token(key, 210), ValueError))


# -- Events ------------------------------------------------------------------------------------

EVENTS = [  # name, lines (a bar ends one), events
    ("two messages", "data: a|data: b||data: c||", [("message", "a\nb"), ("message", "c")]),
    ("no space", "data:a||data:  b||", [("message", "a"), ("message", " b")]),
    ("empty data", "data||data|data||", [("message", ""), ("message", "\n")]),
    ("event name", "event: add|data: 7||data: 8||", [("add", "7"), ("message", "8")]),
    ("ping without data", "event: ping||data: a||", [("message", "a")]),
    ("comment, id, retry", ": hi|id: 1|retry: 5||data: a||", [("message", "a")]),
    ("unknown field", "foo: bar|data: a||", [("message", "a")]),
    ("no blank line at the end", "data: a|", [("message", "a")]),
    ("byte order mark", "\ufeffdata: a||", [("message", "a")]),
    ("colon in data", "data: a:b||", [("message", "a:b")]),
    (
        "bare JSON amid events",
        "data: a|{|1}||data: b||",
        [("message", t) for t in ("a", "{\n1}", "b")],
    ),
]


@pytest.mark.parametrize("name, lines, expected", EVENTS, ids=[row[0] for row in EVENTS])
def test_iter_sse_by_the_standard(name, lines, expected):
    texts = lines.split("|")[:-1]
    for end in ("\n", "\r\n", "\r", ""):
        assert list(glm.iter_sse(text + end for text in texts)) == expected


def test_iter_sse_drops_a_cut_last_line():
    assert list(glm.iter_sse(["data: a\n", "\n", "data: {cu"])) == [("message", "a")]


ODD_TEXT = "\u2028 \u2029 \u0085 \x0b \x0c \x1c \ufeff 中文 😀 e\u0301"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_stream_cut_at_every_byte(service, client, end):
    body = "\ufeff: comment{0}{0}event: ping{0}{0}".format(end).encode("utf-8")
    body += events(chunk(ODD_TEXT), chunk("b", "stop"), "[DONE]", end=end)
    kind = "text/event-stream; charset=gbk"
    for size in (1, 2, 3, 5, 7, len(body)):
        service.replies.append(stream(body, sizes=size, content_type=kind))
        with ask(client, stream=True) as answer:
            assert [event.choices[0].delta.content for event in answer] == [ODD_TEXT, "b"]
    assert service.connections == 1


# -- Timeouts and retry ------------------------------------------------------------------------


class Httpx:
    connect, read, write, pool = 8.0, 300.0, 300.0, 300.0


TIMEOUTS = [  # given, connect, read, total
    (5, 5, 5, None),
    (300, 8, 300, None),
    ((1, 2), 1, 2, None),
    ((1, 2, 3), 1, 2, 3),
    (Httpx(), 8, 300, None),
    (glm.Timeout(total=9), 8, 300, 9),
    (None, 8, None, None),
]


@pytest.mark.parametrize("given, connect, read, total", TIMEOUTS)
def test_timeouts(given, connect, read, total):
    assert glm.GLM(KEY, timeout=given).timeout == (connect, read, total)


@pytest.mark.parametrize("bad", [0, -1, "5", float("nan"), (1, 0), [1]])
def test_bad_timeouts(bad):
    assert "timeout" in str(caught(lambda: glm.GLM(KEY, timeout=bad), ValueError))


def failing(*errors):
    """A call that raises these errors one by one before it returns."""
    return mock.Mock(side_effect=[*errors, "fine"])


def retryable(kind=glm.GLMError, **facts):
    """An error after which a call is repeated."""
    return kind("x", retryable=True, **facts)


WAITS = [  # errors, seconds waited after each, with all the jitter there can be
    ([retryable()] * 6, [0.5, 1, 2, 4, 8, 8]),
    ([retryable(glm.RateLimitError)] * 7, [2, 4, 8, 16, 32, 60, 60]),
    ([retryable(retry_after=3.0), retryable(retry_after=0.0)], [3.0, 0.0]),
]


@pytest.mark.parametrize("errors, expected", WAITS)
def test_retry_waits_with_full_jitter_and_what_the_server_asks(errors, expected):
    waits = []
    call = failing(*errors)
    assert glm.retry(call, max_retries=7, sleep=waits.append, rand=lambda: 1.0) == "fine"
    assert waits == expected


NO_RETRY = [  # the error, arguments of retry
    (glm.GLMError("x"), {}),
    (retryable(retry_after=61.0), {}),
    (retryable(), {"max_retries": 0}),
    (retryable(), {"max_retries": -1}),
    (retryable(retry_after=5.0), {"deadline": time.monotonic() + 1}),
]


@pytest.mark.parametrize("error, options", NO_RETRY)
def test_retry_gives_up_at_once(error, options):
    sleep = mock.Mock()
    assert caught(lambda: glm.retry(failing(error), sleep=sleep, **options)) is error
    assert not sleep.called


def test_retry_takes_any_exception_that_says_retryable():
    class Mine(Exception):
        retryable = True

    assert glm.retry(failing(Mine(), Mine()), sleep=lambda seconds: None) == "fine"
    caught(lambda: glm.retry(failing(KeyError())), KeyError)


def test_an_empty_account_makes_one_request_and_a_rate_limit_backs_off(service, client):
    client = client.with_options(max_retries=3)
    service.replies.append(failure(1113, 429))
    error_of(client, glm.APIReachLimitError)
    assert len(service.requests) == 1
    service.replies.extend([failure(1302, 429, retry_after=0), failure(1305, 429, retry_after=0)])
    assert ask(client).choices and len(service.requests) == 4
    assert len({seen.body for seen in service.requests}) == 1


RETRY_AFTER = [  # headers, seconds (None: as if there were none)
    ({"retry_after": "3"}, 3),
    ({"retry_after": "0"}, 0),
    ({"retry_after": "1.5"}, 1.5),
    ({"retry_after": "0.503"}, 0.503),
    ({"retry_after": "Wed, 21 Oct 2026 07:28:10 GMT"}, 10),
    ({"retry_after": "Wed, 21 Oct 2026 07:27:00 GMT"}, 0),
    ({"retry_after_ms": "1500"}, 1.5),
    ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
    ({"retry_after": "soon"}, None),
    ({"retry_after": "-5"}, 0),
    ({"retry_after": "nan"}, 0),
]


@pytest.mark.parametrize("headers, seconds", RETRY_AFTER)
def test_retry_after_in_every_form(service, client, headers, seconds):
    service.replies.append(failure(1302, 429, date="Wed, 21 Oct 2026 07:28:00 GMT", **headers))
    waits = []
    glm.retry(lambda: ask(client), sleep=waits.append, rand=lambda: 0.25)
    assert waits == [0.5 if seconds is None else seconds]


def test_a_wait_past_the_deadline_is_not_begun(service):
    client = glm.GLM(KEY, service.url, timeout=glm.Timeout(total=1))
    service.replies.append(failure(1302, 429, retry_after=5))
    with takes(0, 0.5):
        error_of(client, glm.APIReachLimitError)
    assert len(service.requests) == 1


# -- Transport ---------------------------------------------------------------------------------

PROXY = "http://10.1.1.1:8080"
PROXIES = [  # host, port, environment, what is used
    ("api.z.ai", 443, {"https_proxy": PROXY}, "10.1.1.1:8080"),
    ("api.z.ai", 443, {"HTTPS_PROXY": "10.1.1.1:8080"}, "10.1.1.1:8080"),
    ("api.z.ai", 443, {"all_proxy": PROXY}, "10.1.1.1:8080"),
    ("api.z.ai", 443, {"http_proxy": PROXY}, None),
    ("127.0.0.1", 443, {"https_proxy": PROXY}, None),
    ("127.8.0.1", 443, {"https_proxy": PROXY}, None),
    ("localhost", 443, {"https_proxy": PROXY}, None),
    ("::1", 443, {"https_proxy": PROXY}, None),
    ("10.2.3.4", 443, {"https_proxy": PROXY, "no_proxy": "10.0.0.0/8"}, None),
    ("11.2.3.4", 443, {"https_proxy": PROXY, "no_proxy": "10.0.0.0/8"}, "10.1.1.1:8080"),
    ("10.2.3.4", 443, {"https_proxy": PROXY, "no_proxy": "10.2.3.4"}, None),
    ("fd00::7", 443, {"https_proxy": PROXY, "no_proxy": "fd00::/8"}, None),
    ("fd00::7", 443, {"https_proxy": PROXY, "no_proxy": "[fd00::7]"}, None),
    ("llm.corp", 443, {"https_proxy": PROXY, "no_proxy": ".corp"}, None),
    ("llm.corp", 443, {"https_proxy": PROXY, "no_proxy": "a.b, corp"}, None),
    ("notcorp", 443, {"https_proxy": PROXY, "no_proxy": "corp"}, "10.1.1.1:8080"),
    ("llm.corp", 443, {"https_proxy": PROXY, "no_proxy": "llm.corp:443"}, None),
    ("llm.corp", 443, {"https_proxy": PROXY, "no_proxy": "llm.corp:8443"}, "10.1.1.1:8080"),
    ("10.2.3.4", 8443, {"https_proxy": PROXY, "no_proxy": "10.2.3.4:8443"}, None),
    ("llm.corp", 443, {"https_proxy": PROXY, "no_proxy": "*"}, None),
    ("fd00::7", 8443, {"https_proxy": PROXY, "no_proxy": "[fd00::7]:8443"}, None),
    ("fd00::7", 8444, {"https_proxy": PROXY, "no_proxy": "[fd00::7]:8443"}, "10.1.1.1:8080"),
]


@pytest.mark.parametrize("host, port, environment, expected", PROXIES)
def test_choose_proxy(monkeypatch, host, port, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    chosen = glm.choose_proxy("https", host, port)
    assert (chosen and "{}:{}".format(*chosen[:2])) == expected
    assert glm.choose_proxy("https", host, port, proxy=False) is None


BAD_PROXIES = """socks5://127.0.0.1:9 socks://h:1 https://h:1 http://[bad http://h:port http://
http://u:hu#sh@h:1 http://u:12#sh@h:1 http://u:hu/sh@h:1 http://u:hu?sh@h:1""".split()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("value", BAD_PROXIES)
def test_a_proxy_that_cannot_work_is_named(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    error = error_of(glm.GLM(KEY, "https://glm.test/v1"), glm.APIConnectionError)
    assert not error.retryable and "hu" not in str(error)
    assert all(words in str(error) for words in (variable, "proxy=False", "NO_PROXY"))


def proxy_url(service, login=""):
    """A service as a proxy."""
    return "http://{}127.0.0.1:{}".format(login and login + "@", service.port)


def test_a_plain_proxy_gets_the_whole_url_and_its_credentials(service, monkeypatch):
    monkeypatch.setenv("http_proxy", proxy_url(service, "us%40er:pa%3Ass"))
    client = glm.GLM(KEY, "http://glm.test:8080/api/paas/v4")
    assert [answer_of(client) for _ in range(2)] == ["You said: Hi"] * 2
    seen = service.requests[0]
    assert seen.path == "http://glm.test:8080/api/paas/v4/chat/completions"
    assert seen.headers["host"] == "glm.test:8080" and service.connections == 1
    assert base64.b64decode(seen.headers["proxy-authorization"][6:]) == b"us@er:pa:ss"


def test_connect_through_a_proxy(service, secure, tls):
    url = secure.url.replace("127.0.0.1", "glm.test")
    with glm.GLM(KEY, url, ca_file=tls[1], proxy=proxy_url(service, "u:p")) as client:
        assert [answer_of(client) for _ in range(3)] == ["You said: Hi"] * 3
    connect = service.requests[0]
    assert (connect.method, connect.path) == ("CONNECT", "glm.test:%d" % secure.port)
    assert connect.headers["proxy-authorization"] == "Basic dTpw"
    assert "authorization" not in connect.headers
    assert service.connections == secure.connections == 1 and len(secure.requests) == 3


@pytest.mark.parametrize("status, retryable", [(407, False), (502, True)])
def test_a_proxy_that_refuses(service, status, retryable):
    service.replies.extend([reply("<html>", status)] * 2)
    client = client_for("https://glm.test/v1", proxy=proxy_url(service, "u:hush"))
    error = error_of(client, glm.APIConnectionError)
    assert str(status) in str(error) and "127.0.0.1:%d" % service.port in str(error)
    assert error.retryable is retryable and "hush" not in str(error)
    plain = error_of(client.with_options(base_url="http://glm.test/v1"), glm.APIStatusError)
    for error in (error, plain):
        assert ("proxy asks for a login" in str(error)) is (status == 407)


def test_loopback_never_goes_through_a_proxy(service, other_service, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy_url(other_service))
    assert ask(glm.GLM(KEY, service.url)).choices and other_service.connections == 0


@pytest.mark.parametrize("how", ["ca_file", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_private_ca(secure, tls, monkeypatch, tmp_path, how):
    if how == "SSL_CERT_DIR":
        shutil.copy(tls[1], str(tmp_path / "00877ad9.0"))  # the name that OpenSSL looks for
    elif how != "ca_file":
        monkeypatch.setenv(how, tls[1])
    url = secure.url.replace("127.0.0.1", "localhost")
    with glm.GLM(KEY, url, ca_file=tls[1] if how == "ca_file" else None) as client:
        assert answer_of(client) == streamed(client) == "You said: Hi"
    assert secure.connections == 1


def test_threads_share_one_context_from_the_first_call_on(secure_client, monkeypatch):
    made, create = [], ssl.create_default_context
    slowly = mock.Mock(side_effect=lambda: made.append(time.sleep(0.05)) or create())
    monkeypatch.setattr(ssl, "create_default_context", slowly)
    threads = [in_background(ask, secure_client) for _ in range(8)]
    for thread in threads:
        thread.join()
    assert len(made) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_unknown_ca_is_not_retried(secure, host, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    error = error_of(glm.GLM(KEY, secure.url.replace("127.0.0.1", host)), glm.APIConnectionError)
    assert "certificate" in str(error) and "ca_file" in str(error) and not error.retryable
    assert secure.connections == 1 and not secure.requests


def test_a_certificate_for_another_name(service, secure, tls):
    url = secure.url.replace("127.0.0.1", "other.test")
    client = glm.GLM(KEY, url, ca_file=tls[1], proxy=proxy_url(service))
    error = error_of(client, glm.APIConnectionError)
    assert "certificate" in str(error) and "other.test" in str(error) and not error.retryable


@pytest.mark.parametrize("name", ["ca_file", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_missing_ca_file_is_named(secure, monkeypatch, name, tmp_path):
    missing = str(tmp_path / "none.pem")
    if name != "ca_file":
        monkeypatch.setenv(name, missing)
    client = glm.GLM(KEY, secure.url, ca_file=missing if name == "ca_file" else None)
    error = error_of(client)
    assert name in str(error) and missing in str(error) and secure.connections == 0


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_refused_says_to_whom():
    address = "127.0.0.1:%d" % closed_port()
    error = error_of(client_for("http://" + address), glm.APIConnectionError)
    assert all(words in str(error) for words in ("refused", address, "connect"))
    assert error.retryable and error.__cause__ is not None


def test_an_unknown_name_is_not_retried_unless_the_lookup_says_so(monkeypatch):
    error = error_of(glm.GLM(KEY, "http://no-such-host.invalid/v1"), glm.APIConnectionError)
    assert "no-such-host.invalid" in str(error) and "name" in str(error) and not error.retryable
    failed = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    monkeypatch.setattr(socket, "getaddrinfo", mock.Mock(side_effect=failed))
    assert error_of(client_for("http://glm.test/v1"), glm.APIConnectionError).retryable


def test_plain_http_on_a_tls_port_and_the_reverse(service, secure):
    https = client_for(service.url.replace("http", "https"))
    assert "SSL" in str(error_of(https, glm.APIConnectionError))
    error_of(client_for(secure.url.replace("https", "http")), glm.APIConnectionError)


def test_a_tls_alert_is_not_retried():
    service = Service(server_context())  # has no certificate
    error = error_of(glm.GLM(KEY, service.url), glm.APIConnectionError)
    assert not error.retryable and service.connections == 1 and "ca_file" not in str(error)
    service.close()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
PART = events(chunk("hello"), chunk(" wor"))
END = events(chunk("", "stop"))
DRIPS = {
    "silence": [60],
    "dripped body": [HEAD + b"content-length: 999\r\n\r\n"] + [b" ", 0.05] * 200,
    "dripped chunks": [HEAD + b"transfer-encoding: chunked\r\n\r\n"] + [b"1\r\n \r\n", 0.05] * 200,
    "comments": [HEAD + b"\r\n"] + [b": keep-alive\n\n", 0.05] * 200,
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", sorted(DRIPS))
def test_total_holds_against_drips(service, name, streaming):
    service.replies.append(DRIPS[name])
    client = glm.GLM(KEY, service.url, timeout=glm.Timeout(total=0.2))
    with takes(0.15, 1.5):
        error = error_of(client, glm.APITimeoutError, stream=streaming)
    assert "total" in str(error) and not error.retryable


def black_hole():
    """A listener whose queue is full: connecting to it hangs."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    filled = [socket.socket() for _ in range(4)]
    for one in filled:
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
    return listener, filled


@needs_linux
@pytest.mark.parametrize("word", ["connect", "total"])
def test_limits_hold_against_a_black_hole(word):
    listener, filled = black_hole()
    url = "http://127.0.0.1:%d" % listener.getsockname()[1]
    with takes(0.15, 1.5):
        error = error_of(client_for(url, timeout=glm.Timeout(**{word: 0.2})), glm.APITimeoutError)
    assert word in str(error)
    for one in [listener] + filled:
        one.close()


def test_limits_hold_against_a_stalled_handshake(service):
    service.greeting = [60]
    url = service.url.replace("http", "https")
    with takes(0.15, 1.5):
        error = error_of(client_for(url, timeout=glm.Timeout(connect=0.2)), glm.APITimeoutError)
    assert "connect" in str(error) and error.retryable


def test_total_holds_while_sending(service):
    service.greeting = [60]
    client = glm.GLM(KEY, service.url, timeout=glm.Timeout(total=0.3))
    with takes(0.25, 1.5):
        error = caught(lambda: client.request("POST", "/x", b"x" * 50000000), glm.APITimeoutError)
    assert "total" in str(error)


def test_a_read_timeout_is_not_retried(service):
    service.replies.append([60])
    error = error_of(glm.GLM(KEY, service.url, timeout=0.2), glm.APITimeoutError)
    assert "read" in str(error) and not error.retryable and len(service.requests) == 1


def test_slow_but_steady_is_fine(service):
    pieces = [[events(chunk(letter)), 0.1] for letter in "abc"]
    service.replies.append([HEAD + b"\r\n", *sum(pieces, []), END, CLOSE])
    with takes(0.3, 5):
        assert streamed(glm.GLM(KEY, service.url, timeout=0.26)) == "abc"


def test_hundred_calls_are_one_connection(either):
    service, client = either
    for number in range(50):
        assert answer_of(client) == "You said: Hi"
        assert streamed(client, str(number)) == "You said: %d" % number
    assert service.connections == 1 and len(service.requests) == 100
    caught(lambda: client.request("GET", "/nowhere"), glm.NotFoundError)
    ask(client)
    assert service.connections == 1
    client.close()
    ask(client)
    assert service.connections == 2


def test_a_connection_that_died_idle_is_replaced_without_a_retry(either):
    service, client = either
    for ending in (CLOSE, RESET):
        ask(client)
        service.replies.append([ask_reply(), ending])
        ask(client)
        time.sleep(0.05)  # let the end arrive
        ask(client)
    assert len(service.requests) == 6


def test_a_kept_connection_that_dies_on_the_request_is_replaced(either):
    service, client = either
    ask(client)
    service.replies.append([CLOSE])
    assert ask(client).choices
    assert len(service.requests) == 3 and service.connections == 2
    for begun in (b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Le"):  # so the server works on it
        for ending in (CLOSE, RESET):
            ask(client)
            count = len(service.requests)
            service.replies.append([begun, 0.05, ending])
            error_of(client)
            assert len(service.requests) == count + 1


def test_a_call_is_sent_twice_at_most(service, client):
    for one in [ask(client, stream=True) for _ in range(9)]:  # so nine connections are kept
        list(one)
    service.replies.extend([[CLOSE]] * 20)
    error_of(client, glm.APIConnectionError)
    assert len(service.requests) == 9 + 2


def test_what_comes_unasked_is_no_answer(service, client):
    service.replies.append(ask_reply("one") + ask_reply("two"))
    assert [answer_of(client) for _ in range(2)] == ["one", "You said: Hi"]


def test_a_dropped_reply_is_asked_again(either):
    service, client = either
    for cut in ([ask_reply()[:-5], CLOSE], [CLOSE], [ask_reply()[:-5], RESET]):
        service.replies.append(cut)
        assert glm.retry(lambda: ask(client), sleep=lambda seconds: None).choices
    assert len(service.requests) == 6
    service.replies.append([b"junk\r\n\r\n", CLOSE])  # no HTTP, so it will not be the next time
    assert not error_of(client, glm.APIConnectionError).retryable


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(service, other_service, client, status):
    service.replies.append(reply("", status, location=other_service.url + "/chat/completions"))
    error = error_of(client, glm.APIStatusError)
    assert other_service.url in str(error) and error.status_code == status and not error.retryable
    assert other_service.connections == 0


def test_threads_get_their_own_answers(service, client):
    wrong = []

    def work(number):
        for turn in range(15):
            text = "%d/%d" % (number, turn)
            if client.ask(text, model="m") != "You said: " + text:
                wrong.append(text)

    for thread in [in_background(work, number) for number in range(64)]:
        thread.join()
    assert not wrong and len(service.requests) == 64 * 15 and service.connections <= 64


def forked(work):
    """A child process that ends with 0 if work() is true."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)  # an error must not let the child go on with the tests
    return child


@needs_fork
def test_a_fork_uses_connections_of_its_own(secure, secure_client):
    def talk(text="child"):
        answers = {secure_client.ask(text, model="m") for _ in range(50)}
        return answers == {"You said: " + text}

    assert talk("before")
    child = forked(talk)
    assert talk("parent") and os.waitpid(child, 0)[1] == 0 and secure.connections == 2


@needs_fork
def test_close_in_a_fork_leaves_the_parents_connections(service, client):
    ask(client)
    child = forked(lambda: client.close() is None)
    assert os.waitpid(child, 0)[1] == 0 and ask(client).choices and service.connections == 1


INTERRUPTED = r"""
import sys, random, signal
sys.path.insert(0, sys.argv[1])
import glm
rng, client = random.Random(7), glm.GLM(sys.argv[3], sys.argv[2])
wrong = hits = armed = 0
def strike(*args):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, strike)
client.ask("first", model="m"), list(client.stream("first", model="m"))  # imports are done now
for turn in range(400):
    text = "turn %d" % turn
    try:
        armed = 1
        signal.setitimer(signal.ITIMER_REAL, rng.random() * 0.003)
        if turn % 2:
            answer = client.ask(text, model="m")
        else:
            answer = "".join(client.stream(text, model="m"))
        armed = 0
        wrong += answer != "You said: " + text
    except KeyboardInterrupt:
        armed = 0
        hits += 1
signal.signal(signal.SIGALRM, signal.SIG_IGN)
print(wrong, hits)
"""


@needs_timers
def test_an_interrupt_at_any_moment_never_mixes_answers(service):
    command = [sys.executable, "-c", INTERRUPTED, HERE, service.url, KEY]
    wrong, hits = map(int, subprocess.check_output(command).split())
    assert wrong == 0 and hits > 20


def open_sockets():
    """How many this process has."""
    count = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # it was closed meanwhile
            count += os.readlink("/proc/self/fd/" + number).startswith("socket:")
    return count


@needs_linux
def test_nothing_leaks(service):
    def turn():
        client = client_for(service.url)
        ask(client)
        next(ask(client, stream=True))  # abandoned
        service.replies.append(failure(1214))
        error_of(client)
        service.replies.append([stream(events(chunk("x")), end=b""), CLOSE])
        caught(lambda: list(ask(client, stream=True)))

    gc.disable()
    try:
        for _ in range(30):
            turn()
        before = open_sockets()
        for _ in range(30):
            turn()
        wait_for(lambda: open_sockets() <= before + 12)
    finally:
        gc.enable()


def test_keep_alive_packets_are_asked_for(client, monkeypatch):
    made, create = [], socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda *a: made.append(create(*a)) or made[-1])
    ask(client)
    assert made[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if hasattr(socket, "TCP_KEEPIDLE"):
        assert made[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


def ended(call, cancel, begun):
    """The error of a call that another thread ends, at once, soon after begun() is true."""
    times = []

    def stop():
        wait_for(begun)
        time.sleep(0.05)
        times.append(time.monotonic())
        cancel.cancel()

    thread = in_background(stop)
    with cancel:
        error = caught(call, glm.APICancelledError)
    assert time.monotonic() - times[0] < 0.5
    thread.join()
    return error


HELD = {  # what the server does while the call is ended
    "no reply": [60],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-", 60],
    "half a body": [ask_reply()[:-9], 60],
    "a stream": [stream(PART, end=b""), 60],
}


@pytest.mark.parametrize("name", sorted(HELD))
def test_a_call_is_ended_from_another_thread(either, name):
    service, client = either
    client, cancel, pieces = client.with_options(max_retries=3), glm.Cancel(), []
    ask(client)
    service.replies.append(HELD[name])

    def call():
        for event in ask(client, stream=True) if name == "a stream" else [ask(client)]:
            pieces.append(event.choices[0].delta.content)

    error = ended(call, cancel, lambda: len(service.requests) == 2)
    assert not error.retryable and error.exit_code == 130
    if name == "a stream":
        assert "".join(pieces) == partial_text(error) == "hello wor"
    with cancel:
        error_of(client, glm.APICancelledError)  # it stays cancelled
    assert len(service.requests) == 2 and ask(client).choices and service.connections == 2


def test_waits_are_ended_too(service, client):
    service.replies.append(failure(1302, 429, retry_after=30))
    patient = client.with_options(max_retries=3)
    ended(lambda: ask(patient), glm.Cancel(), lambda: service.requests)
    service.tasks["t"] = [{"task_status": "PROCESSING"}]
    ended(lambda: client.wait("t", interval=60), glm.Cancel(), lambda: len(service.requests) > 1)


def test_a_stream_of_ciphertext_is_never_text(secure, secure_client):
    piece = body_of(stream(events(chunk("x" * 4000)), end=b""))
    for turn in range(12):
        secure.replies.append([stream(b"", end=b"")] + [piece, 0.001] * 3000)
        cancel = glm.Cancel()
        timer = threading.Timer(0.01 + turn * 0.003, cancel.cancel)
        timer.start()
        with cancel, pytest.raises(glm.APICancelledError):
            for event in ask(secure_client, stream=True):
                assert event.choices[0].delta.content == "x" * 4000
        timer.join()


def test_a_late_cancel_hits_nobody(service, client):
    cancel = glm.Cancel()
    with cancel:
        answer = ask(client, stream=True)
        list(answer)
    service.replies.append([stream(PART, end=b""), 0.2, http_chunk(END) + b"0\r\n\r\n"])
    other = ask(client, stream=True)
    assert service.connections == 1  # the connection serves another call by now
    cancel.cancel()
    answer.close()
    assert "".join(event.choices[0].delta.content for event in other) == "hello wor"


@needs_timers
def test_a_signal_handler_can_cancel(service, client):
    patient, before = client.with_options(max_retries=3), signal.getsignal(signal.SIGALRM)
    try:
        for turn in range(60):
            cancel = glm.Cancel()
            signal.signal(signal.SIGALRM, lambda *args, cancel=cancel: cancel.cancel())
            service.replies.extend([failure(1302, 429, retry_after=0.0005)] * 3)
            signal.setitimer(signal.ITIMER_REAL, 0.0005 * (turn % 12 + 1))
            with cancel, pytest.raises(glm.APICancelledError):
                while True:
                    ask(patient)
            service.replies.clear()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ask(client).choices


def test_cancels_nest_and_end_in_any_order(service, client):
    outer, inner = glm.Cancel(), glm.Cancel()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__()
    outer.cancel()
    assert ask(client).choices
    inner.cancel()
    error_of(client, glm.APICancelledError)
    inner.__exit__()
    assert ask(client).choices
    outer, inner = glm.Cancel(), glm.Cancel()
    with outer, inner:
        threading.Timer(0.1, outer.cancel).start()
        service.replies.append([60])
        error_of(client, glm.APICancelledError)


LENGTH = b"content-length: 9999\r\n\r\n"
CHUNKS = b"transfer-encoding: chunked\r\n\r\n"
WHOLE_JSON = {  # what stands before and behind a JSON reply whose connection ends badly
    "short length": (LENGTH, b"", [CLOSE]),
    "no last chunk": (CHUNKS + b"%x\r\n", b"\r\n", [CLOSE]),
    "chunk cut": (CHUNKS + b"fff\r\n", b"", [CLOSE]),
    "reset": (b"connection: close\r\n\r\n", b"", [0.05, RESET]),
    "silence": (LENGTH, b"", [60]),
    "until closed": (b"connection: close\r\n\r\n", b"", [CLOSE]),  # over TLS, without close_notify
}


@pytest.mark.parametrize("name", sorted(WHOLE_JSON))
def test_json_proves_its_own_end(either, name):
    service, client = either
    client, body = client.with_options(timeout=0.2), body_of(ask_reply("whole"))
    before, behind, rest = WHOLE_JSON[name]
    for data in (body, body[:-2]):
        head = b"HTTP/1.1 200 OK\r\n" + before.replace(b"%x", b"%x" % len(data))
        service.replies.append([head + data + behind, *rest])
    assert answer_of(client) == "whole" and len(service.requests) == 1
    no_error = name == "until closed" and not service.context  # such an end proves nothing
    error_of(client, glm.APIResponseValidationError if no_error else glm.APIConnectionError)


def test_a_number_proves_no_end(service, client):
    service.replies.append([b"HTTP/1.1 200 OK\r\n" + LENGTH + b"123", CLOSE])
    caught(lambda: client.request("GET", "/x"), glm.APIConnectionError)


def test_another_opener_takes_the_place_of_the_transport(service, other_service):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    client = glm.GLM(KEY, service.url, opener=opener)
    assert answer_of(client) == streamed(client) == "You said: Hi"
    service.replies.append(failure(1214))
    assert error_of(client, glm.APIRequestFailedError).code == "1214"
    service.replies.append(reply("", 302, location=other_service.url + "/stolen"))
    error_of(client)
    assert all("authorization" not in seen.headers for seen in other_service.requests)
    service.replies.append([60])
    error = error_of(client, timeout=0.2)
    assert type(error) is glm.APITimeoutError and not error.retryable


# -- Records -----------------------------------------------------------------------------------


def test_a_record_is_a_dict_with_attributes(client):
    answer = ask(client)
    message = answer["choices"][0]["message"]
    assert answer.choices[0].message.content == message["content"] == "You said: Hi"
    assert message.tool_calls is None and answer.web_search is None
    for same in (pickle.loads(pickle.dumps(answer)), copy.deepcopy(answer), copy.copy(answer)):
        assert same == answer and type(same.choices[0]) is glm.Record
    error = caught(lambda: answer.chioces, AttributeError)
    assert "chioces" in str(error) and "choices" in str(error)
    answer.extra = 1
    assert answer["extra"] == 1 and not hasattr(answer, "missing")
    record = glm.Record(items=1, json=2, 名="x")
    assert (record["items"], record["json"], record.名) == (1, 2, "x")


def test_records_convert_as_pydantics_do(client):
    answer = ask(client)
    for plain in (answer.model_dump(mode="json", by_alias=True), answer.to_dict(), answer.dict()):
        assert plain == answer and type(plain["choices"][0]) is dict
    for text in (answer.model_dump_json(), answer.to_json(indent=2), answer.json()):
        assert json.loads(text) == answer
    assert "\n" in answer.to_json(indent=2)
    record = glm.Record(a=None, b=[glm.Record(c=None, d=1)])
    assert record.model_dump(exclude_none=True) == {"b": [{"d": 1}]}
    assert json.loads(record.to_json(exclude_none=True)) == {"b": [{"d": 1}]}


def test_reasoning_has_two_names():
    assert glm.Record(reasoning="x").reasoning_content == "x"
    assert glm.Record(reasoning_content="y").reasoning_content == "y"
    assert glm.Record().reasoning_content is None


def test_replies_have_their_types(client):
    answer = ask(client)
    assert isinstance(answer, glm.Completion) and not isinstance(answer, glm.Chunk)
    for event in ask(client, stream=True):
        assert isinstance(event, glm.Chunk) and not isinstance(event, glm.Completion)
    assert isinstance(answer.choices[0].message, glm.Record)
    assert isinstance(client.models.list(), glm.Page)


def test_type_hints_can_be_got():
    things = [getattr(glm, name) for name in glm.__all__]
    classes = [thing for thing in things if inspect.isclass(thing)]
    methods = [method for one in classes for method in vars(one).values()]
    for function in filter(inspect.isfunction, things + methods):
        typing.get_type_hints(function)
    assert all(map(typing.get_type_hints, [glm.Completion, glm.Chunk, glm.Page, glm.AsyncGLM]))


def page(*names, **more):
    return reply(dict({"object": "list", "data": [{"id": name} for name in names]}, **more))


MORE = {"has_more": True}
PAGES = [  # replies, the items, the queries of the requests
    ([page("a", "b")], "ab", [""]),
    ([page("a", has_more=False)], "a", [""]),
    ([page(**MORE)], "", [""]),
    ([page("a", "b", **MORE), page("c", has_more=False)], "abc", ["", "&after=b"]),
    ([page("a", **MORE), page("b", **MORE), page(**MORE)], "ab", ["", "&after=a", "&after=b"]),
    ([page("a", "b", **MORE), page("a", "b", **MORE)], "ab", ["", "&after=b"]),  # ignores `after`
]


@pytest.mark.parametrize("replies, items, queries", PAGES)
def test_pages_iterate_over_what_follows(service, client, replies, items, queries):
    service.replies.extend(replies)
    first = client.batches.list(limit=2)
    assert [item.id for item in first] == list(items)
    asked = [seen.path.partition("/batches?limit=2")[2] for seen in service.requests]
    assert asked == queries


def test_a_page_is_a_record_too(service, client):
    service.replies.append(page("a", "b", has_more=True))
    first = client.files.list()
    assert len(first) == len(first.keys()) == 3 and "data" in first and first["data"] == first.data
    again = pickle.loads(pickle.dumps(first))
    assert (again, list(again), type(again)) == (first, list(first.data), glm.Page)
    caught(lambda: first.nonsense, AttributeError)
    assert json.loads(first.to_json()) == first and len(service.requests) == 1


# -- Replies -----------------------------------------------------------------------------------

CUTS = {  # a streamed answer that stops; none of them may pass for whole
    "clean end": [stream(PART, chunked=False), CLOSE],
    "clean end of chunks": stream(PART),
    "reset": [stream(PART, end=b""), 0.05, RESET],
    "chunk cut": [stream(PART, end=b"ff\r\ndata: {"), CLOSE],
    "chunk broken": [stream(PART, end=b"zz\r\ndata: {"), 60],
    "no last chunk": [stream(PART, end=b""), CLOSE],
    "short length": [reply(PART, content_length=9999, content_type="text/event-stream"), CLOSE],
    "event cut": [stream(PART + b'data: {"choices": [{"del', chunked=False), CLOSE],
    "network_error": stream(PART + events(chunk("", "network_error"), "[DONE]")),
}


@pytest.mark.parametrize("name", sorted(CUTS))
def test_a_cut_stream_raises_with_what_came(service, client, name):
    service.replies.append(CUTS[name])
    pieces = []
    with pytest.raises(glm.StreamInterruptedError) as info:
        for event in ask(client, stream=True):
            pieces.append(event.choices[0].delta.content)
    assert "".join(pieces) == partial_text(info.value) == "hello wor"
    assert len(service.requests) == 1 and ask(client).choices


def test_a_timeout_in_a_stream_carries_what_came(service, client):
    service.replies.append([stream(PART, end=b""), 60])
    answer = ask(client, stream=True, timeout=0.2)
    assert partial_text(caught(lambda: list(answer), glm.APITimeoutError)) == "hello wor"


USAGE = {"choices": [], "usage": {"total_tokens": 7}}
HELLO = [chunk("Hel"), chunk("lo")]
STOP = chunk("", "stop")
WHOLE = {
    "both": stream(events(*ANSWER)),
    "[DONE] alone": stream(events(*HELLO, "[DONE]")),
    "finish_reason alone": stream(events(*HELLO, STOP)),
    "finish_reason, then cut": [stream(events(chunk("Hel"), chunk("lo", "stop")), end=b""), CLOSE],
    "until closed": [stream(events(*ANSWER), chunked=False), CLOSE],
    "length known": reply(events(*ANSWER), content_type="text/event-stream"),
    "no last blank line": reply(events(*ANSWER)[:-1], content_type="text/event-stream"),
    "no last line end": reply(events(*ANSWER)[:-2], content_type="text/event-stream"),
    "usage after the end": stream(events(*HELLO, STOP, USAGE, "[DONE]")),
    "octets": stream(events(*ANSWER), content_type="application/octet-stream"),
    "whole JSON": ask_reply("Hello"),
    "junk after [DONE]": stream(events(*ANSWER) + b"data: {junk\n\n"),
}


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_whole_stream(service, client, name):
    service.replies.append(WHOLE[name])
    answer = ask(client, stream=True)
    assert "".join(event.choices[0].delta.content for event in answer if event.choices) == "Hello"
    choice = answer.completion.choices[0]
    assert choice.message == {"role": "assistant", "content": "Hello"}
    assert choice.finish_reason == (None if name == "[DONE] alone" else "stop")
    if "usage" in name or name == "both":
        assert answer.completion.usage.total_tokens == 7
    assert list(answer) == []


def test_after_done_the_connection_is_kept_or_left_within_its_time(service, client):
    service.replies.append([stream(events(*ANSWER), end=b""), 30])
    with takes(0.1, 0.6):
        assert streamed(client) == "Hello"
    ask(client)
    assert service.connections == 2


IN_STREAM = [  # an error as the first event, or later
    ('data: {"error":{"code":"1302","message":"busy"}}\n\n', glm.APIReachLimitError),
    ('event: error\ndata: {"code":1301,"message":"no"}\n\n', glm.APIRequestFailedError),
    ('event: error\ndata: {"message":"engine died"}\n\n', glm.APIStatusError),
    ('{"error":{"code":"1234","message":"broken"}}\n\n', glm.APIInternalError),
    ('{"error":{"code":"1234","message":"broken"}}', glm.APIInternalError),
    ('data: {"choices": [], "error":{"code":"1113","message":"no"}}\n\n', glm.APIReachLimitError),
    ('data: {"choices": 7}\n\n', glm.APIResponseValidationError),
    ('data: {"choices": [7]}\n\n', glm.APIResponseValidationError),
    ("data: [1]\n\n", glm.APIResponseValidationError),
    ("data: {broken}\n\n", glm.APIResponseValidationError),
    ("<html>sorry</html>\n\n", glm.APIResponseValidationError),
]


@pytest.mark.parametrize("text, kind", IN_STREAM)
def test_an_error_in_a_stream(service, client, text, kind):
    service.replies.append(stream(text.encode()))
    assert error_of(client, kind, stream=True).partial is None
    service.replies.append(stream(events(chunk("hello")) + text.encode()))
    assert partial_text(caught(lambda: list(ask(client, stream=True)), kind)) == "hello"


def test_the_first_event_is_part_of_the_retried_attempt(service, client):
    broken = b'data: {"error":{"code":"1234"}}\n\n'
    bad = [broken, b": hi\n\n", events(chunk("", "network_error"))]
    service.replies.extend([*map(stream, bad), [CLOSE], stream(events(*ANSWER))])
    waits = []
    answer = glm.retry(lambda: ask(client, stream=True), max_retries=4, sleep=waits.append)
    assert len(list(answer)) == 3 and len(service.requests) == 5 and len(waits) == 4
    service.replies.append(stream(broken, retry_after=0))
    assert streamed(client.with_options(max_retries=1)) == "You said: Hi"


def call(index=None, ident=None, name=None, arguments=None):
    """A tool call, or a fragment of one: what is None is left out."""
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    one = {"function": function}
    if index is not None:
        one["index"] = index
    if ident is not None:
        one.update(id=ident, type="function")
    return one


F, G = ("a", "f", "{}"), ("b", "g", "[]")
NO_IDS = [(None, "f", "{}"), (None, "g", "[]")]
BEGIN, REST = call(0, "a", "f", "{"), call(0, arguments="}")
NULL = {"index": 0, "function": {"name": None, "arguments": None}}
TOOLS = {  # the tool_calls of each chunk, and the (id, name, arguments) that they make
    "whole": ([[call(0, *F)]], [F]),
    "pieces": ([[call(0, "a", "f", "")], [call(0, arguments="{")], [REST]], [F]),
    "two": ([[BEGIN], [call(1, "b", "g", "[")], [REST], [call(1, arguments="]")]], [F, G]),
    "two in one chunk": ([[call(0, *F), call(1, *G)]], [F, G]),
    "same index twice": ([[BEGIN, REST]], [F]),
    "new ids": ([[BEGIN], [call(0, "z", None, "}")], [call(0, "", None, "")]], [F]),
    "no index": ([[call(None, "a", "f", "{")], [call(arguments="}")], [call(None, *G)]], [F, G]),
    "an object": ([[call(0, "a", "f", {"x": 1})]], [("a", "f", '{"x":1}')]),
    "null": ([[call(0, "a", "f")], [NULL]], [F]),
    "one index for all": ([[call(0, *F)], [call(0, *G)]], [F, G]),
    "one index for all, in one chunk": ([[call(0, *F), call(0, *G)]], [F, G]),
    "the same id again": ([[BEGIN], [call(0, "a", "f", "}")]], [F]),
    "back to an id": ([[BEGIN], [call(0, *G)], [call(0, "a", None, "}")]], [F, G]),
    "no ids": ([[call(0, None, "f", "{")], [call(1, None, "g", "[]")], [REST]], NO_IDS),
}


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_tool_calls_are_put_together(service, client, name):
    deltas, expected = TOOLS[name]
    chunks = [chunk(tool_calls=calls) for calls in deltas]
    service.replies.append(stream(events(*chunks, chunk("", "tool_calls"), "[DONE]")))
    answer = ask(client, stream=True)
    assert [event.choices[0].delta.tool_calls for event in answer] == [*deltas, None]  # as sent
    choice = answer.completion.choices[0]
    calls = choice.message.tool_calls
    assert [(c.id, c.function.name, c.function.arguments) for c in calls] == expected
    assert choice.message.content is None and choice.finish_reason == "tool_calls"
    assert not any("index" in one for one in calls)


def test_arguments_are_always_text(service, client):
    calls = [call(0, "a", "f", {"城市": "北京"})]
    service.replies.append(ask_reply(None, "tool_calls", tool_calls=calls))
    (one,) = ask(client).choices[0].message.tool_calls
    assert one.function.arguments == '{"城市":"北京"}'


def test_both_names_of_reasoning_and_several_choices_are_put_together(service, client):
    both = chunk("c", reasoning_content="b")
    del both["choices"][0]["delta"]["role"]
    other = chunk("second", "length")
    other["choices"][0]["index"] = 1
    rows = [chunk(reasoning="a"), both, chunk("d", "stop"), other]
    service.replies.append(stream(events(*rows, "[DONE]")))
    answer = ask(client, stream=True, n=2)
    assert list(answer)[0].choices[0].delta.reasoning_content == "a"
    first, second = answer.completion.choices
    assert first.message == {"role": "assistant", "content": "cd", "reasoning_content": "ab"}
    assert (second.index, second.finish_reason) == (1, "length")
    assert second.message.content == "second"


def packed(coding, answer):
    """A reply with its body packed; "cut": not to its end."""
    head, _, body = answer.partition(b"\r\n\r\n")
    pack = zlib.compressobj(wbits=15 if coding == "deflate" else 31)
    data = pack.compress(body) + pack.flush()
    if coding == "cut":
        coding, data = "gzip", data[:-12]
    head = re.sub(b"content-length: [0-9]+", b"content-length: %d" % len(data), head)
    return b"%s\r\ncontent-encoding: %s\r\n\r\n%s" % (head, coding.encode(), data)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "GZIP"])
def test_packed_replies_are_read_although_nobody_asked(service, client, coding):
    streamed_reply = reply(events(*ANSWER), content_type="text/event-stream")
    answers = [ask_reply("packed"), failure(1113, 429), streamed_reply]
    service.replies.extend(packed(coding, one) for one in answers)
    assert answer_of(client) == "packed" and error_of(client).code == "1113"
    assert streamed(client) == "Hello" and service.connections == 1


BAD_PACKING = [  # a reply, what is wrong with it
    (packed("cut", reply(b"x" * 9999)), glm.APIConnectionError, "IncompleteRead"),
    (reply(b"no gzip", content_encoding="gzip"), glm.APIResponseValidationError, "damaged"),
    (reply(b"xx", content_encoding="br"), glm.APIResponseValidationError, "br"),
    (reply(b"xx", content_encoding="zstd"), glm.APIResponseValidationError, "zstd"),
]


@pytest.mark.parametrize("kind", ["bytes", "stream"])
@pytest.mark.parametrize("answer, error_class, word", BAD_PACKING)
def test_packing_that_is_cut_damaged_or_unknown(service, client, answer, error_class, word, kind):
    service.replies.append(answer)
    assert word in str(caught(lambda: client.request("GET", "/x", reply=kind), error_class))


@pytest.mark.parametrize("coding", ["utf-8", "UTF-8", "none", "binary", "identity, identity", ""])
def test_an_encoding_that_names_no_packing_is_passed_over(service, client, coding):
    service.replies.append(reply(body_of(ask_reply()), content_encoding=coding))
    assert answer_of(client) == "Hi"


CHARSETS = [  # Content-Type, body, text
    ("application/json", '{"a": "中文"}'.encode("utf-8"), "中文"),
    ("application/json; charset=gbk", '{"a": "中文"}'.encode("gbk"), "中文"),
    ("application/json; charset=gbk", '{"a": "中文"}'.encode("utf-8"), "中文"),
    ("text/plain", b'\xef\xbb\xbf{"a": "x"}', "x"),
    ("application/json; charset=nonsense", '{"a": "中文"}'.encode("utf-8"), "中文"),
    ("", b'{"a": "\xff"}', "\ufffd"),
]


@pytest.mark.parametrize("content_type, body, text", CHARSETS)
def test_json_is_utf_8_and_else_as_it_says(service, client, content_type, body, text):
    service.replies.append(reply(body, content_type=content_type))
    assert client.request("GET", "/x").a == text


@pytest.mark.parametrize("charset", ["gb18030", "utf-8", '"gbk"'])
def test_other_text_is_as_it_says(service, client, charset):
    data, kind = "<title>错误</title>".encode(charset.strip('"')), "text/html; charset=" + charset
    service.replies.extend([reply(data, status, content_type=kind) for status in (200, 502)])
    assert client.files.content("f").text == "<title>错误</title>"
    assert "错误" in str(error_of(client, glm.APIInternalError))


def test_caps(service, client):
    service.replies.append([HEAD + b"\r\ndata: "] + [b"x" * (1 << 20)] * 18)
    assert "16 MB" in str(error_of(client, glm.APIResponseValidationError, stream=True))
    service.replies.append(reply("x" * 100000, 500))
    assert len(str(error_of(client, glm.APIInternalError))) < 600


def test_an_early_close_closes_the_connection(service, client):
    service.replies.append([stream(events(chunk("a")), end=b""), 60])
    with ask(client, stream=True) as answer:
        next(answer)
    assert list(answer) == []
    ask(client)
    assert service.connections == 2


def completion(message, reason="stop"):
    """A reply with one choice."""
    return reply({"choices": [{"index": 0, "finish_reason": reason, "message": message}]})


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n"
ODD_REPLIES = [
    reply({"error": {"code": "\xb2", "message": "x"}}),
    reply({"error": {"code": "4" * 5000, "message": "x"}}),
    b"HTTP/1.1 103 Early Hints\r\n\r\n" + reply({"choices": [{"message": {}}]}),
    b"HTTP/1.1 102 x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 429 x\r\nRetry-After: \xb2\r\nContent-Length: 2\r\n\r\n{}",
    reply({"choices": ["text"]}),
    reply({"choices": [{"message": "text"}]}),
    reply({"choices": {"a": 1}}),
    completion({"tool_calls": ["x"]}),
    CHUNKED + b"\r\n;x\r\n",
    CHUNKED + b"\r\nzz\r\n",
    CHUNKED + b"\r\n\r\n\r\n",
    [CHUNKED + b"\r\n", b"f" * 70000, CLOSE],
    [b"HTTP/1.1 200 OK\r\n" + b"x" * 70000, CLOSE],
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
]


@pytest.mark.parametrize("answer", ODD_REPLIES)
def test_odd_replies_raise_errors_of_ours(service, client, answer):
    service.replies.append(answer)
    caught(lambda: ask(client))
    assert ask(client).choices[0].message.content == "You said: Hi"  # and no late reply


CUT_HEADS = [
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 OK\r\nDate: x\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/pl",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\r\r\nContent-Length: 100\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("head", CUT_HEADS)
def test_a_head_that_is_cut_or_damaged_is_no_empty_reply(service, client, head):
    service.replies.append([head, CLOSE])
    caught(lambda: client.request("GET", "/x", reply="bytes"), glm.APIConnectionError)


def test_replies_without_a_body_are_not_waited_for(service, client):
    service.replies.append([b"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n", 60])
    service.replies.append([reply("", content_length=50), 60])
    start = time.monotonic()
    assert client.request("DELETE", "/x") == {}
    assert client.request("HEAD", "/x", reply="bytes") == b"" and time.monotonic() - start < 1


def test_a_refusal_that_comes_before_the_end_of_the_request():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)

        def refuse():
            peer, _ = listener.accept()
            peer.recv(1000)
            peer.sendall(failure(1261, 413, "too long", connection="close"))
            peer.shutdown(socket.SHUT_WR)
            time.sleep(0.2)
            peer.close()

        threading.Thread(target=refuse).start()
        client = glm.GLM(KEY, "http://127.0.0.1:%d" % listener.getsockname()[1], max_retries=0)
        large = {"x": "y" * (8 << 20)}
        assert caught(lambda: client.request("POST", "/x", large)).code == "1261"


def test_packed_members_are_all_read(service, client):
    packers = [zlib.compressobj(wbits=31) for _ in range(3)]
    texts = (b"[1", b", 2", b", 3]")
    data = b"".join(p.compress(text) + p.flush() for p, text in zip(packers, texts))
    for end in (b"", b"\0" * 9):
        service.replies.append(reply(data + end, content_encoding="gzip"))
        assert client.request("GET", "/x") == [1, 2, 3]
    service.replies.append(reply(data[:-9], content_encoding="gzip"))
    caught(lambda: client.request("GET", "/x", reply="bytes"), glm.APIConnectionError)


AFTER_DONE = [[b"x" * (1 << 20)] * 20, [b": still here\n\n", 0.05] * 40]


@pytest.mark.parametrize("junk", AFTER_DONE)
def test_what_follows_done_costs_neither_time_nor_an_error(service, client, junk):
    service.replies.append([HEAD + b"\r\n" + events(*ANSWER)] + junk)
    start = time.monotonic()
    assert text_of_stream(client) == "Hello" and time.monotonic() - start < 1


REASONS = "network_error abort error cancelled repetition insufficient_system_resource".split()


@pytest.mark.parametrize("reason", REASONS)
def test_an_answer_that_the_server_broke_off_is_none(service, client, reason):
    whole = completion({"role": "assistant", "content": "half"}, reason)
    at_once = stream(events(chunk("half", reason), "[DONE]"))
    late = stream(events(chunk("ha"), chunk("lf"), chunk("", reason), "[DONE]"))
    for answer, call in (
        (whole, lambda: ask(client)),
        (whole, lambda: client.ask("x", model="m")),
        (late, lambda: list(ask(client, stream=True))),
        (late, lambda: text_of_stream(client)),
    ):
        service.replies.append(answer)
        error = caught(call, glm.StreamInterruptedError)
        assert error.partial.choices[0].message.content == "half"
        assert error.finish_reason == reason and error.exit_code == 8
        assert error.retryable is (reason == "network_error")
    for answer, streamed in ((whole, False), (at_once, True)):  # nothing was handed out

        def repeated(streamed=streamed):
            return glm.retry(lambda: ask(client, stream=streamed), sleep=lambda seconds: None)

        service.replies.append(answer)
        assert repeated() if reason == "network_error" else caught(repeated)
    assert len(service.requests) == (8 if reason == "network_error" else 6)


def test_a_finish_reason_null_as_text_is_none(service, client):
    service.replies.append(stream(events(chunk("He", "null"), chunk("llo", ""), chunk("", "stop"))))
    reasons = [event.choices[0].finish_reason for event in ask(client, stream=True)]
    assert reasons == [None, None, "stop"]
    service.replies.append(stream(events(chunk("He", "null"))))
    caught(lambda: text_of_stream(client), glm.StreamInterruptedError)


@pytest.mark.parametrize("arguments", [None, "", {}, "{}"])
def test_a_tool_without_arguments_has_an_empty_object(service, client, arguments):
    function = {"name": "f", "arguments": arguments}
    calls = [{"id": "a", "type": "function", "function": function}]
    service.replies.append(completion({"content": None, "tool_calls": calls}, "tool_calls"))
    service.replies.append(stream(events(chunk(tool_calls=calls), chunk("", "tool_calls"))))
    whole, answer = ask(client), ask(client, stream=True)
    assert next(answer).choices[0].delta.tool_calls[0].function.arguments == arguments  # as sent
    list(answer)
    for made in (whole, answer.completion):
        assert made.choices[0].message.tool_calls[0].function.arguments == "{}"


def test_a_stream_of_agents_has_objects_as_content(service, client):
    contents = [{"type": "text", "text": "a"}, [{"text": "b"}]]
    rows = [{"choices": [{"delta": {"content": content}}]} for content in contents]
    service.replies.append(stream(events(*rows, "[DONE]")))
    answer = client.agents.invoke(agent_id="x", messages=MESSAGES, stream=True)
    assert [event.choices[0].delta.content for event in answer] == contents


@pytest.mark.parametrize("kind", ["message/rfc822", "multipart/mixed; boundary=x"])
def test_a_mail_is_no_damaged_head(service, client, kind):
    service.replies.append(reply(b"From: me\r\n\r\nHi", content_type=kind))
    assert client.files.content("f").read() == b"From: me\r\n\r\nHi"


def test_content_can_be_used_again(service, client, tmp_path):
    path = tmp_path / "a.wav"
    content = client.audio.speech(model="m", input="x")
    assert content.read() == content.content == b"".join(content.iter_bytes()) == WAV
    content.write_to_file(str(path))
    assert path.read_bytes() == WAV and content.text.startswith("RIFF")
    content = client.audio.speech(model="m", input="x")
    assert b"".join(content.iter_bytes()) == WAV
    assert "not kept" in str(caught(content.read, glm.GLMValueError))
    service.replies.append([HEAD + b"content-length: 99\r\n\r\n", CLOSE])
    caught(lambda: client.files.content("f").write_to_file(path), glm.APIConnectionError)
    assert path.read_bytes() == WAV


def test_every_choice_has_to_end_and_stands_in_its_place(service, client):
    both = [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]
    ends = [{"index": n, "delta": {}, "finish_reason": "stop"} for n in (0, 1)]
    service.replies.append(stream(events({"choices": both}, {"choices": ends[:1]})))
    error = caught(lambda: list(ask(client, stream=True, n=2)), glm.StreamInterruptedError)
    service.replies.append(stream(events({"choices": both}, {"choices": ends})))
    answer = ask(client, stream=True, n=2)
    assert len(list(answer)) == 2
    for made in (error.partial, answer.completion):
        assert [choice.message.content for choice in made.choices] == ["a", "b"]


@pytest.mark.parametrize("first", [0, 1])
def test_where_one_answer_was_asked_for_every_index_is_its_own(service, client, first):
    rows = [chunk("Whis"), chunk("per"), chunk(" it"), chunk("", "stop")]
    for index, row in enumerate(rows, first):
        row["choices"][0]["index"] = index
    service.replies.extend([stream(events(*rows, "[DONE]"))] * 2)
    assert text_of_stream(client) == "Whisper it"
    answer = ask(client, stream=True)
    assert [event.choices[0].index for event in answer] == [0] * 4
    assert [choice.message.content for choice in answer.completion.choices] == ["Whisper it"]


USAGES = [  # usage of each event: the last that says something counts
    [None, None, {"total_tokens": 7}],
    [{"total_tokens": 1}, {"total_tokens": 2}, {"total_tokens": 7}],
    [{"total_tokens": 7}, None, None],
]


@pytest.mark.parametrize("usages", USAGES)
def test_the_usage_of_a_stream(service, client, usages):
    rows = [dict(chunk("a"), usage=usage) for usage in usages]
    service.replies.append(stream(events(*rows, "[DONE]")))
    answer = ask(client, stream=True)
    assert len(list(answer)) == 3 and answer.completion.usage.total_tokens == 7


def test_a_failed_stream_stays_failed(service, client):
    service.replies.append(CUTS["clean end"])
    answer = ask(client, stream=True)
    for _ in range(2):
        caught(lambda: list(answer), glm.StreamInterruptedError)


ACCIDENTS = [b"", b"\0", b"\r\n", b"\n\n", b"0\r\n\r\n", b"data: ", b"[DONE]", b"{}", b'"error":']
ACCIDENTS += [b"\xff\xfe", b"9" * 30, b"-1", b"ffffffff\r\n"]


def mutated(rng, data):
    """Bytes with one to three accidents."""
    for _ in range(rng.randrange(1, 4)):
        at, size = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 9, 300))
        head, tail = data[:at], data[at:]
        piece = rng.choice(ACCIDENTS + [tail[:size], bytes([rng.randrange(256)])])
        data = rng.choice((head + piece + tail, head + piece + tail[size:], head, tail + head))
    return data


FUZZED_REPLIES = [
    ask_reply(),
    failure(1302, 429, retry_after=1),
    stream(events(*ANSWER)),
    stream(events(*ANSWER), sizes=5),
    stream(events(*ANSWER), chunked=False),
    reply(b"<html>", 502),
]
FUZZED_CALLS = [
    ask,
    lambda client: list(ask(client, stream=True)),
    lambda client: client.request("GET", "/x", reply="bytes"),
    lambda client: b"".join(client.files.content("f").iter_bytes()),
    lambda client: client.ask("Hi", model="m"),
]


def test_mutated_replies_give_results_or_errors_of_ours(service, client):
    rng, outcomes = random.Random(20261121), set()
    for turn in range(FUZZ):
        service.replies.append([mutated(rng, rng.choice(FUZZED_REPLIES)), CLOSE])
        start = time.monotonic()
        try:
            outcome = rng.choice(FUZZED_CALLS)(client)
        except glm.GLMError as error:
            outcome = error
        repr((outcome, str(outcome), getattr(outcome, "partial", None)))
        outcomes.add(type(outcome))
        assert time.monotonic() - start < 2, turn
    assert len(outcomes) > 6, outcomes


# -- Messages ----------------------------------------------------------------------------------

IMAGES = [
    (b"\x89PNG\r\n\x1a\nx", "png"),
    (b"\xff\xd8\xff\xe0x", "jpeg"),
    (b"GIF89a", "gif"),
    (b"RIFF\0\0\0\0WEBPx", "webp"),
]


@pytest.mark.parametrize("data, kind", IMAGES)
def test_image_part(tmp_path, data, kind):
    path = tmp_path / local("图片.bin")
    path.write_bytes(data)
    text = base64.b64encode(data).decode()
    url = "data:image/{};base64,{}".format(kind, text)
    for image in (data, str(path), path):
        assert glm.image_part(image) == {"type": "image_url", "image_url": {"url": url}}
        assert glm.image_part(image, raw=True)["image_url"]["url"] == text
    for url in ("https://x/y.png", "http://x", "data:image/png;base64,AA"):
        assert glm.image_part(url)["image_url"]["url"] == url


def test_what_is_no_image(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("hello")
    assert "text.txt" in str(caught(lambda: glm.image_part(str(path)), ValueError))
    caught(lambda: glm.image_part(b"hello"), ValueError)
    caught(lambda: glm.image_part("no/such.png"), FileNotFoundError)


FINISH = [  # finish_reason, text, what is raised has it
    ("stop", "Hi", False),
    (None, "Hi", False),
    ("length", "Hi", False),
    ("made-up", "Hi", False),
    ("content_filter", "Hi", True),
    ("length", "", True),
    ("stop", "", True),
    ("stop", None, True),
    ("sensitive", "Hi", True),
    ("model_context_window_exceeded", "Hi", True),
    ("tool_calls", None, True),
]


@pytest.mark.parametrize("reason, text, raises", FINISH)
def test_text_or_why_there_is_none(service, client, reason, text, raises):
    service.replies.append(ask_reply(text, reason))
    service.replies.append(stream(events(chunk(text, reason), "[DONE]")))
    for run in (lambda: client.ask("x", model="m"), lambda: streamed(client)):
        if not raises:
            assert run() == text
            continue
        error = caught(run, glm.FinishReasonError)
        assert error.finish_reason == reason and (partial_text(error) or "") == (text or "")
        tells = "max_tokens" in str(error) and "thinking" in str(error)
        assert tells or (reason, text) != ("length", "")


def test_of_several_answers_the_text_is_the_first_ones(service, client):
    rows = [chunk("A1"), chunk("B1"), chunk("A2", "stop"), chunk("B2", "stop")]
    for number, row in enumerate(rows):
        row["choices"][0]["index"] = number % 2
    service.replies.append(stream(events(*rows)))
    assert "".join(client.stream("x", model="m", n=2)) == "A1A2"
    cut_before_the_second = events(rows[0], rows[2])
    for n, received in ((2, cut_before_the_second), (0, b": nothing\n\n")):
        service.replies.append(stream(received))
        with pytest.raises(glm.StreamInterruptedError):
            "".join(client.stream("x", model="m", n=n))


# -- Requests ----------------------------------------------------------------------------------

Run = namedtuple("Run", "code out err")


def environment(service=None, **variables):
    """The variables of a process: few of this machine's, and those of the service."""
    names = ("PATH", "HOME", "SYSTEMROOT")
    merged = {name: os.environ[name] for name in names if name in os.environ}
    merged.update(PYTHONPATH=HERE)
    if service:
        merged.update(GLM_BASE_URL=service.url, GLM_API_KEY=KEY, GLM_MODEL="m")
    merged.update(variables)
    return {name: local(value) for name, value in merged.items() if value is not None}


def execute(words, service=None, stdin=b"", cwd=None, **variables):
    """Run a program to its end; out and err are bytes."""
    options = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    options.update(cwd=cwd and str(cwd), env=environment(service, **variables), timeout=30)
    pipe = subprocess.PIPE
    done = subprocess.run(words, stdout=pipe, stderr=pipe, **options)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return Run(done.returncode, done.stdout, done.stderr)


def python(service, code, *words, **options):
    """What a program in Python prints; it has to end well."""
    words = [sys.executable, "-W", "error", "-c", code] + [str(word) for word in words]
    done = execute(words, service, **options)
    assert done.code == 0, done.err.decode()
    return done.out.decode()


def sent(service):
    """The body of the last request."""
    return json.loads(service.requests[-1].body.decode())


def request_of(*arguments, call=ask, **options):
    """The request of a call by a client with these arguments; it does not leave this process."""
    opener = Answers(ask_reply())
    call(glm.GLM(*arguments, opener=opener, **options))
    return opener.requests[0]


def authorization(request):
    return request.get_header("Authorization")


def test_a_call_is_sent_as_it_was_given(service, client):
    content = [{"type": "text", "text": "你好 \ud83d"}]
    fields = {"messages": [{"role": "user", "content": content, "name": None}]}
    fields.update(temperature=1.0, top_p=0, stop=["a"], foo={"bar": [None]})
    before = copy.deepcopy(fields)
    extra = {"thinking": {"type": "enabled"}, "top_k": 3}
    client.chat.completions.create(model="m", seed=None, extra_body=extra, **fields)
    assert fields == before and sent(service) == dict(before, model="m", **extra)
    headers = service.requests[0].headers
    assert headers["user-agent"] == "glm.py/" + glm.__version__
    assert headers["content-type"] == "application/json"
    names = "accept-encoding authorization content-length content-type host user-agent"
    assert sorted(headers) == names.split()


BAD_FIELDS = [
    dict(messages="hi"),
    dict(messages=[]),
    dict(messages=[{"role": "user", "content": object()}]),
    dict(temperature=float("nan")),
    dict(timeout=-1),
    dict(extra_headers={"X": "a\r\nb"}),
    dict(extra_headers={"X\n": "a"}),
    dict(extra_headers={"X": "中"}),
    dict(extra_headers={"X": 3}),
    dict(extra_headers={"content-length": "3"}),
]


@pytest.mark.parametrize("fields", BAD_FIELDS)
def test_bad_input_is_refused_before_anything_is_sent(service, client, fields):
    fields = dict({"model": "m", "messages": MESSAGES}, **fields)
    caught(lambda: client.chat.completions.create(**fields), glm.GLMValueError)
    assert not service.requests


BAD_LINES = ["GET x", "GET /a b", "GET /a\r\nb", "GET /\0", "GET /中", "GET\r\nA: /x", " /x"]


@pytest.mark.parametrize("line", BAD_LINES)
def test_bad_methods_and_paths(service, client, line):
    caught(lambda: client.request(*line.split(" ", 1)), glm.GLMValueError)
    assert not service.requests


BASE_URLS = [  # given, used
    ("bigmodel", glm.BASE_URLS["bigmodel"]),
    ("https://Open.bigmodel.cn/api/paas/v4", "https://Open.bigmodel.cn/api/paas/v4"),
    ("zai-coding", "https://api.z.ai/api/coding/paas/v4"),
    ("http://h:8000/v1/", "http://h:8000/v1"),
    (" http://h/v1/chat/completions ", "http://h/v1"),
    (" zai ", glm.BASE_URLS["zai"]),
    ("https://[::1]:8/v1", "https://[::1]:8/v1"),
    ("ftp://h", None),
    ("h:8000", None),
    ("http://u:p@h/v1", None),
    ("http://", None),
    ("http://h:x/v1", None),
    ("http://h:99999/v1", None),
    ("http://h:0/v1", None),
    ("http://h/v1?a=b", None),
    ("http://h/v1#a", None),
    ("http://h/v1\n/x", None),
    ("", glm.BASE_URLS["bigmodel"]),
]


@pytest.mark.parametrize("given, used", BASE_URLS)
def test_base_urls(given, used):
    if used is None:
        assert "base_url" in str(caught(lambda: glm.GLM(KEY, given), ValueError))
    else:
        assert request_of(KEY, given).full_url == used + "/chat/completions"


def test_base_url_from_the_environment(monkeypatch):
    for name in ("ZHIPUAI_BASE_URL", "ZAI_BASE_URL", "GLM_BASE_URL"):  # the last one wins
        host = name.lower().replace("_", "-")
        monkeypatch.setenv(name, "http://%s/v1" % host)
        assert request_of("k").host == host


PASTED = ["k.s", " k.s\n", '"k.s"', "'k.s'", "Bearer k.s", ' "Bearer k.s" ', "\tk.s\r\n"]


@pytest.mark.parametrize("text", PASTED)
def test_what_comes_along_with_a_pasted_key_goes(text, monkeypatch):
    assert authorization(request_of(text, auth="key")) == "Bearer k.s"
    monkeypatch.setenv("GLM_API_KEY", text)
    assert authorization(request_of(auth="key")) == "Bearer k.s"


# base URL, environment, the key that is sent
KEYS = [
    ("bigmodel", {"GLM_API_KEY": "g", "ZAI_API_KEY": "z"}, "g"),
    ("bigmodel", {"ZAI_API_KEY": " z\n"}, "z"),
    ("zai", {"ZHIPUAI_API_KEY": "h", "ZHIPU_API_KEY": "i"}, "h"),
    ("zai", {"ZHIPU_API_KEY": "i"}, "i"),
    ("http://h/v1", {"GLM_API_KEY": "g"}, "g"),
    ("http://h/v1", {"ZAI_API_KEY": "z"}, None),
    ("http://h/v1", {"ZHIPU_API_KEY": "z"}, None),
    ("http://h/v1", {"ZAI_API_KEY": "z", "ZAI_BASE_URL": "http://h/v1"}, "z"),
    ("http://h/v1", {"ZHIPU_API_KEY": "z", "ZHIPUAI_BASE_URL": "http://h/v2"}, "z"),
    ("http://h/v1", {"ZHIPU_API_KEY": "z", "ZAI_BASE_URL": "http://h/v1"}, None),
    ("http://h/v1", {"ZAI_API_KEY": "z", "ZAI_BASE_URL": "http://h2/v1"}, None),
    ("http://api.z.ai/api/paas/v4", {"ZAI_API_KEY": "z"}, None),
    ("https://api.z.ai.evil.com/v1", {"ZAI_API_KEY": "z"}, None),
    ("http://h/v1", {}, None),
]


@pytest.mark.parametrize("base_url, variables, key", KEYS)
def test_which_key_goes_to_which_host(monkeypatch, base_url, variables, key):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    opener = Answers(ask_reply(), failure(1001, 401))
    client = glm.GLM(None, base_url, opener=opener)
    ask(client)
    assert authorization(opener.requests[0]) == (key and "Bearer " + key)
    if key is None:
        text = str(caught(lambda: ask(client), glm.APIAuthenticationError))
        assert "no key was sent" in text or "no API key" in text
        names = ["GLM_API_KEY"] + [name for name in variables if name.endswith("_KEY")]
        assert all(name in text for name in names)


@pytest.mark.parametrize("base_url", ["bigmodel", "zai"])
def test_no_key_for_an_official_host(base_url):
    error = caught(lambda: glm.GLM(base_url=base_url), ValueError)
    for name in ("GLM_API_KEY", "ZAI_API_KEY", "ZHIPUAI_API_KEY", "ZHIPU_API_KEY"):
        assert name in str(error)
    assert "https://bigmodel.cn/usercenter/proj-mgmt/apikeys" in str(error)
    assert "OPENAI_API_KEY is not read" in str(error) and error.exit_code == 3


@pytest.mark.parametrize("key", ["a\nb", "a\0b", "密钥", "a\x7fb", 7])
def test_a_key_that_cannot_be_one(key):
    error = caught(lambda: glm.GLM(key), ValueError)
    assert "api_key" in str(error) and str(key) not in str(error)


# key, auth, base URL, whether a token is sent
AUTHS = [
    ("id.secret", None, "bigmodel", True),
    ("id.secret", "key", "bigmodel", False),
    ("id.secret", None, "bigmodel-coding", False),
    ("id.secret", None, "zai", False),
    ("id.secret", "jwt", "zai", True),
    ("id.secret", None, "http://h/v1", False),
    ("id.secret", None, "https://Open.bigmodel.cn/api/paas/v4", True),
    ("plain", "jwt", "bigmodel", False),
    ("a.b.c", None, "bigmodel", False),
]


@pytest.mark.parametrize("key, auth, base_url, token", AUTHS)
def test_token_or_key(monkeypatch, key, auth, base_url, token):
    by_argument = request_of(key, base_url, auth=auth)
    monkeypatch.setenv("GLM_AUTH", auth or "")
    for request in (by_argument, request_of(key, base_url)):
        credential = authorization(request)[len("Bearer ") :]
        if token:
            assert decode_token(credential, "secret")["api_key"] == "id"
        else:
            assert credential == key
    assert "auth" in str(caught(lambda: glm.GLM(KEY, auth="magic"), ValueError))


@pytest.mark.parametrize("hours", [10, -10])
def test_a_clock_hours_off_costs_one_request_once(hours):
    service = Service(clock=hours * 3600)
    client = glm.GLM(KEY, service.url, auth="jwt", max_retries=0)
    assert all(ask(client).choices for _ in range(5)) and len(service.requests) == 6
    service.close()


def test_a_wrong_clock_is_corrected_for_calls_begun_together():
    from concurrent.futures import ThreadPoolExecutor

    service, barrier = Service(clock=7200), threading.Barrier(8)
    client = glm.GLM(KEY, service.url, auth="jwt", max_retries=0)

    def work(number):
        barrier.wait()
        return client.ask(str(number), model="m")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == ["You said: %d" % n for n in range(8)]
    service.close()


CLOCKS = r"""
import time, glm
client, real = glm.GLM(auth="jwt", max_retries=0), time.time
for jump in (0, 36000, -86400, 7, 0, 3e8, -3e8):
    time.time = lambda: real() + jump
    assert client.ask("x") == "You said: x", jump
"""


def test_a_clock_that_jumps(service):
    python(service, CLOCKS)
    assert len(service.requests) <= 14


def test_a_token_that_stays_refused(service):
    client = glm.GLM("standin.wrong", service.url, auth="jwt")
    error = caught(lambda: ask(client), glm.APIAuthenticationError)
    assert error.code == "1002" and 'auth="key"' in str(error) and len(service.requests) == 1


KEPT = {"type": "enabled", "clear_thinking": False}
# base URL, thinking, what is sent
THINKING = [
    ("zai", True, {"thinking": {"type": "enabled"}}),
    ("zai", False, {"thinking": {"type": "disabled"}}),
    ("zai", KEPT, {"thinking": KEPT}),
    ("zai", None, {}),
    ("http://h/v1", None, {}),
    ("http://h/v1", True, {"chat_template_kwargs": {"enable_thinking": True}}),
    ("http://h/v1", False, {"chat_template_kwargs": {"enable_thinking": False}}),
    ("http://h/v1", {"type": "x"}, {"thinking": {"type": "x"}}),
]


@pytest.mark.parametrize("base_url, thinking, fields", THINKING)
def test_thinking_is_spelled_for_the_host(base_url, thinking, fields):
    request = request_of(KEY, base_url, call=lambda client: ask(client, thinking=thinking))
    assert json.loads(request.data.decode()) == dict(fields, model="m", messages=MESSAGES)


def test_headers_of_a_call(service):
    client = glm.GLM(KEY, service.url, default_headers={"X-A": "1", "x-b": "2"})
    ask(client, extra_headers={"x-a": "3", "User-Agent": "mine"})
    headers = service.requests[0].headers
    assert (headers["x-a"], headers["x-b"], headers["user-agent"]) == ("3", "2", "mine")


def test_request_is_the_open_door(service, client):
    assert client.request("GET", "/models").data[0].id == "glm-stand-in"
    service.replies.extend([reply(b"\0\1"), stream(events(*ANSWER)), reply("", 204)])
    assert client.request("GET", "/x", query={"a": "b c", "n": None}, reply="bytes") == b"\0\1"
    assert service.requests[-1].path.endswith("/x?a=b+c")
    assert len(list(client.request("POST", "/x", {"stream": True}, reply="stream"))) == 3
    assert client.request("DELETE", "/x") == {}
    caught(lambda: client.request("GET", "/x", reply="yaml"), ValueError)
    service.replies.append(reply(b"\0\1", 201, x_more="yes"))
    raw = client.request("PUT", "/x", {"a": 1}, reply="response")
    assert (raw.status, raw.headers["X-More"], raw.body) == (201, "yes", b"\0\1")
    assert service.requests[-1].method == "PUT" and sent(service) == {"a": 1}


UPLOADS = [  # what is given, the name and type that are sent
    (("a.mp3", b"ID3", "audio/mpeg"), "a.mp3", "audio/mpeg"),
    (("dir/a.bin", b"x", "x/y"), "dir/a.bin", "x/y"),
    (("a.png", b"x"), "a.png", "image/png"),
    (b"x", "file", "application/octet-stream"),
    (("a.nonsense", b"x"), "a.nonsense", "application/octet-stream"),
    (("b.txt", bytearray(b"x")), "b.txt", "text/plain"),
]


@pytest.mark.parametrize("file, name, kind", UPLOADS)
def test_uploads_keep_their_name_and_type(service, client, file, name, kind):
    client.files.create(file=file, purpose="batch")
    head = 'name="file"; filename="%s"\r\nContent-Type: %s\r\n\r\n' % (name, kind)
    assert head.encode() in service.requests[0].body


def test_files_go_as_a_form(service, client, tmp_path):
    path = tmp_path / local('数"据.jsonl')
    path.write_bytes(b"row\r\n--x\r\n")
    fields = {"purpose": "batch", "n": 3, "no": None, 'a"\r\nb': "1"}
    parts = {"purpose": (None, b"batch"), "n": (None, b"3"), "a%22%0D%0Ab": (None, b"1")}
    parts["file"] = ("数%22据.jsonl", b"row\r\n--x\r\n")
    with open(str(path), "rb") as opened:
        for file in (str(path), path, (path.name, path.read_bytes()), opened):
            client.request("POST", "/files", fields, files={"file": file})
            assert parse_form(service.requests.pop()) == parts
    for bad in (b"", ("a.txt", b""), 7):
        caught(lambda bad=bad: client.request("POST", "/files", files={"file": bad}), ValueError)
    with pytest.raises(FileNotFoundError):
        client.request("POST", "/files", files={"file": "no/such"})
    assert not service.requests


def test_a_log_shows_no_secret_and_no_escape_of_a_good_reply(service, caplog):
    caplog.set_level("DEBUG", "glm")
    service.replies.append(reply(dict(chunk("x"), request_id="\x1b]0;\u202e" + ECHO)))
    glm.GLM(CANARY, service.url).request("POST", "/x")
    assert "you sent" in caplog.text and not re.search("[\x1b\u202e]|" + SECRET, caplog.text)


def test_a_log_record_for_each_attempt(service, caplog):
    caplog.set_level("DEBUG", "glm")
    service.replies.append(failure(1302, 429, retry_after=0, x_request_id="r5"))
    ask(glm.GLM(KEY, service.url))
    first, second = [record.getMessage() for record in caplog.records if record.name == "glm"]
    assert all(word in first for word in ("429", "1302", "r5", "POST " + service.url))
    assert all(word in second for word in ("200", "r1", "'total_tokens': 4"))


CANARY = "canaryid.CANARYsecret42"
SECRET = CANARY.split(".")[1]
ECHO = "you sent Bearer " + CANARY


def shown_by(call):
    """All that a call shows to those who print, log, pickle and trace."""
    try:
        return repr(call())
    except Exception as error:
        assert error.__cause__ is not error and error.__context__ is not error
        full = traceback.TracebackException.from_exception(error)
        return "".join(full.format()) + repr(error) + str(error) + repr(pickle.dumps(error))


def elsewhere(client, base_url, **options):
    return ask(client.with_options(base_url=base_url, **options))


def text_of_stream(client):
    return "".join(client.stream("Hi", model="m"))


FAILURES = [  # what the server answers, the call that fails
    (failure(500, 500), ask),
    ([CLOSE], ask),
    ([ask_reply()[:-3], CLOSE], ask),
    ([60], lambda client: ask(client, timeout=0.15)),
    (stream(PART), text_of_stream),
    (None, lambda client: ask(client, temperature=object())),
    (None, lambda client: elsewhere(client, "http://127.0.0.1:%d" % closed_port())),
    (None, lambda client: elsewhere(client, "https" + client.base_url[4:])),
    (None, lambda client: elsewhere(client, "http://u:%s@x" % SECRET)),
    (None, lambda client: elsewhere(client, "http://x", proxy="socks5://" + SECRET)),
    (None, lambda client: glm.GLM(CANARY, base_url="ftp://x")),
    (None, lambda client: glm.GLM(CANARY + "密")),
    (None, pickle.dumps),
    (None, lambda client: pickle.dumps(client.files)),
    (None, lambda client: pickle.dumps(client.chat.completions.create)),
    (b"HTTP/1.1 " + CANARY.encode() + b"\r\n\r\n", ask),
    (HEAD + CANARY.encode() + b"\r\n\r\n", ask),
    ([CHUNKED + b"\r\n" + CANARY.encode() + b"\r\n", CLOSE], ask),
    ([CHUNKED + b"\r\n" + CANARY.encode() + b"\r\n", CLOSE], text_of_stream),
    (failure(1214, 400, x_request_id=CANARY), ask),
    (failure(1000, 401, ECHO), ask),
    (reply(ECHO, 500), ask),
    (reply("", 302, location="http://x/?" + CANARY), ask),
    (reply(ECHO), ask),
    (stream(events(chunk("a"), {"error": {"code": "1000", "message": ECHO}})), text_of_stream),
]


@pytest.mark.parametrize("auth", ["key", "jwt"])
@pytest.mark.parametrize("answer, call", FAILURES)
def test_the_key_shows_in_no_error(service, caplog, auth, answer, call):
    caplog.set_level("DEBUG")
    service.replies.extend([answer] if answer else [])
    client = glm.GLM(CANARY, service.url, auth=auth, max_retries=0, default_headers={"X": CANARY})
    shown = shown_by(lambda: call(client)) + caplog.text
    assert "Traceback" in shown and SECRET not in shown and "eyJhbGci" not in shown


def test_the_key_shows_nowhere_else(service, caplog):
    caplog.set_level("DEBUG")
    client = glm.GLM(CANARY, service.url)
    service.replies.append(ask_reply())
    shown = repr(client) + shown_by(lambda: ask(client)) + caplog.text
    assert service.url in shown and SECRET not in shown


def test_what_only_looks_like_the_key_is_shown(service):
    client = glm.GLM("Hi", service.url, opener=Answers(ask_reply("Hi Hi")))
    assert ask(client).choices[0].message.content == "Hi Hi"
    numeric = glm.GLM("1302", service.url, max_retries=0)
    service.replies.append(failure(1302, 429, "at 1302"))
    error = caught(lambda: ask(numeric))
    assert error.code == "1302" and "at 1302" in str(error)


def test_no_part_of_a_key_is_left_by_a_cut(service):
    key = "abcdefghijklmnopqrstuvwxyz.0123456789ABCDEFGHIJ"
    parts = [key[at : at + 6] for at in range(len(key) - 5)]
    client = glm.GLM(key, service.url, max_retries=0)
    for before in range(0, 210, 7):
        pad = b"z" * before + key.encode()
        for answer in (
            b"HTTP/1.1 " + pad + b"\r\n\r\n",
            CHUNKED + b"\r\n" + pad + b"\r\n",
            reply("x", content_encoding=pad.decode()),
            reply("", 302, location=pad.decode()),
            reply(pad, 500),
            reply(pad),
        ):
            service.replies.append(answer)
            text = str(caught(lambda: ask(client)))
            assert not any(part in text for part in parts) and len(text) < 800, text


def test_a_proxy_that_echoes_its_login(service):
    login = base64.b64encode(b"user:" + SECRET.encode()).decode()
    proxy = "http://user:%s@127.0.0.1:%d" % (SECRET, service.port)
    client = glm.GLM(KEY, "http://glm.test/v1", proxy=proxy, max_retries=0)
    for _ in range(2):  # the second time by a kept connection
        service.replies.append(reply("you sent Basic " + login + " and " + SECRET, 407))
        shown = shown_by(lambda: ask(client))
        assert login not in shown and SECRET not in shown and "via proxy 127.0.0.1" in shown
    service.replies.append(b"HTTP/1.1 407 bad " + login.encode() + b"\r\n\r\n")
    shown = shown_by(lambda: elsewhere(client, "https://glm.test/v1"))
    assert login not in shown and "407" in shown


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key"])
def test_another_key_in_a_header_is_masked(service, client, name):
    service.replies.append(failure(1000, 401, "you sent " + SECRET))
    assert SECRET not in shown_by(lambda: ask(client, extra_headers={name: "Bearer " + SECRET}))


def test_an_opener_whose_errors_hold_the_key():
    from http.client import BadStatusLine

    class Echo:
        def open(self, request, timeout):
            raise BadStatusLine("HTTPX/9 " + authorization(request))

    client = glm.GLM(CANARY, "http://glm.test/v1", opener=Echo(), max_retries=0)
    assert SECRET not in shown_by(lambda: ask(client))


# -- Endpoints ---------------------------------------------------------------------------------

WAV = b"RIFF\0\0\0\0WAVE"
QUESTION = {"model": "m", "messages": MESSAGES}
PAINT = {"model": "m", "prompt": "a cat"}
TRANSLATE = {"agent_id": "translator", "messages": MESSAGES}
FIND = {"assistant_id": "65", "model": "m", "messages": MESSAGES, "stream": True}
BATCH = {"input_file_id": "f", "endpoint": "/v4/chat/completions", "completion_window": "24h"}
UPLOAD = {"purpose": "retrieval", "upload_detail": [{"url": "https://x"}]}
RANK = {"model": "m", "query": "q", "documents": ["a", "b"]}
# A method, its fields, the request (a POST has the fields as JSON), words of the reply
ENDPOINTS = [
    ("images.generations", PAINT, "POST /images/generations", "x/cat.png"),
    ("images.generate", PAINT, "POST /images/generations", "x/cat.png"),
    ("images.async_generations", PAINT, "POST /async/images/generations", "task-2"),
    ("images.retrieve_images_result", {"id": "t"}, "GET /async-result/t", "SUCCESS"),
    ("videos.generations", PAINT, "POST /videos/generations", "PROCESSING"),
    ("videos.retrieve_videos_result", {"id": "t"}, "GET /async-result/t", "SUCCESS"),
    ("chat.completions.create", QUESTION, "POST /chat/completions", "You said: Hi"),
    ("chat.asyncCompletions.create", QUESTION, "POST /async/chat/completions", "task-2"),
    ("chat.asyncCompletions.retrieve_completion_result", {"id": "t"}, "GET /async-result/t", "r1"),
    ("embeddings.create", {"model": "m", "input": ["a", "bc"]}, "POST /embeddings", "[2.0, 0.5]"),
    ("assistant.conversation", FIND, "POST /assistant", "found it"),
    ("files.create", UPLOAD, "POST /files", "file-1"),
    ("files.list", {"purpose": "x", "limit": 3}, "GET /files?purpose=x&limit=3", "has_more"),
    ("files.delete", {"file_id": "a/b 中"}, "DELETE /files/a%2Fb%20%E4%B8%AD", "deleted"),
    ("batches.create", BATCH, "POST /batches", "validating"),
    ("batches.retrieve", {"batch_id": "b"}, "GET /batches/b", "completed"),
    ("batches.list", {"limit": 2}, "GET /batches?limit=2", "batch-1"),
    ("batches.cancel", {"batch_id": "b"}, "POST /batches/b/cancel", "cancelling"),
    ("web_search.web_search", {"search_query": "GLM"}, "POST /web_search", "'title': 'GLM'"),
    ("web_reader.web_reader", {"url": "https://x"}, "POST /reader", "reader_result"),
    ("moderations.create", {"model": "m", "input": "x"}, "POST /moderations", "PASS"),
    ("rerank.create", RANK, "POST /rerank", "'relevance_score': 0.5"),
    ("audio.speech", {"model": "m", "input": "hi"}, "POST /audio/speech", "RIFF"),
    ("audio.speech", {"model": "m", "stream": True}, "POST /audio/speech", "AAAA"),
    ("audio.transcriptions.create", {"file_base64": "AA"}, "POST /audio/transcriptions", "heard 2"),
    ("models.list", {}, "GET /models", "glm-stand-in"),
    ("tokenizer.create", QUESTION, "POST /tokenizer", "'prompt_tokens': 3"),
    ("layout_parsing.create", {"file": "https://x/a.pdf"}, "POST /layout_parsing", "# Title"),
    ("agents.invoke", TRANSLATE, "POST /v1/agents", "translator"),
    ("agents.async_result", {"agent_id": "a"}, "POST /v1/agents/async-result", "success"),
]


def names_in(value):
    """The names of all fields of a reply."""
    if isinstance(value, dict):
        return set(value.keys()).union(*map(names_in, value.values()))
    return set().union(*map(names_in, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("name, fields, request_line, words", ENDPOINTS)
def test_an_endpoint_of_the_table(service, client, name, fields, request_line, words):
    service.tasks["t"] = [{"task_status": "SUCCESS"}]
    result = operator.attrgetter(name)(client)(user_id=None, **fields)
    if isinstance(result, (glm.Stream, glm.Content)):
        result = list(result) if fields.get("stream") else result.text
    assert words in str(result) and len(service.requests) == 1
    absent = glm.Record()
    assert all(getattr(absent, field) is None for field in names_in(result))  # documented
    seen = service.requests[0]
    assert "{} {}".format(seen.method, seen.path.partition("/v4")[2]) == request_line
    in_url = seen.method != "POST" or request_line.endswith("/cancel")
    assert (json.loads(seen.body.decode()) if seen.body else None) == (None if in_url else fields)
    assert ("content-length" in seen.headers) == (seen.method == "POST")


def test_a_new_group_is_tested_and_known_to_checkers(client):
    docs = {name: type(value).__doc__ or "" for name, value in vars(client).items()}
    groups = {name for name, doc in docs.items() if doc.startswith("client.")}
    assert groups == {name.partition(".")[0] for name, *_ in ENDPOINTS} | {"chat"}
    assert groups <= set(glm.AsyncGLM.__annotations__)


def test_extras_of_a_call(service, client):
    client.embeddings.create(model="m", input="a", extra_body={"dimensions": 2})
    assert json.loads(service.requests[0].body.decode())["dimensions"] == 2
    client.files.delete("f", force=True, extra_query={"a": "b c"}, extra_headers={"X-Y": "z"})
    assert service.requests[1].path.endswith("/files/f?a=b+c&force=True")
    assert service.requests[1].headers["x-y"] == "z"
    ask(client, extra_query={"a": "b c"})
    assert service.requests[2].path.endswith("/chat/completions?a=b+c")


def test_files_there_and_back(service, client, tmp_path):
    path, back, data = tmp_path / local("批次.jsonl"), tmp_path / "back", b"row\n" * 9
    path.write_bytes(data)
    file = client.files.create(file=path, purpose="batch")
    assert (file.filename, file.bytes, file.purpose) == ("批次.jsonl", 36, "batch")
    assert client.files.content(file.id).content == data
    client.files.content(file.id).write_to_file(str(back))
    assert back.read_bytes() == data
    assert client.files.list(purpose="batch").data[0].filename == "批次.jsonl"
    assert client.files.delete(file.id).deleted is True
    with open(str(path), "rb") as opened:
        assert client.audio.transcriptions.create(model="m", file=opened).text == "heard 36 bytes"
    assert service.connections == 1
    service.replies.append([reply(b"x" * 999, content_length=9999), CLOSE])
    caught(lambda: client.files.content("f").read(), glm.APIConnectionError)


def test_a_failed_upload_is_sent_again(service, tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(os.urandom(3000000))
    service.replies.extend([failure(1234, 500, retry_after=0), failure(1302, 429, retry_after=0)])
    with open(str(path), "rb") as file:
        assert glm.GLM(KEY, service.url).files.create(file=file, purpose="batch").bytes == 3000000
    first, second, third = [seen.body for seen in service.requests]
    assert first == second == third


MEMORY = """if 1:
    import sys, resource; sys.path.insert(0, sys.argv[1])
    import glm
    client = glm.GLM(sys.argv[3], sys.argv[2])
    client.models.list()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.argv[4] == "up":
        client.files.create(file=sys.argv[5], purpose="batch")
    else:
        client.files.content("file-1").write_to_file(sys.argv[5])
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@needs_linux
def test_memory_of_a_large_upload_and_download(service, tmp_path):
    path, back, megabytes = tmp_path / "large", tmp_path / "back", 50
    path.write_bytes(b"".join(os.urandom(1024) * 1024 for _ in range(megabytes)))
    words = [sys.executable, "-W", "error", "-c", MEMORY, HERE, service.url, KEY]
    assert int(subprocess.check_output(words + ["up", str(path)])) < 2 * megabytes + 20
    assert int(subprocess.check_output(words + ["down", str(back)])) < 20
    assert path.read_bytes() == service.files["file-1"][1] == back.read_bytes()


def test_groups_behave_as_if_written_out(client):
    methods = [name for name in dir(client.files) if name[0] != "_"]
    assert methods == ["content", "create", "delete", "list"]
    assert {"images", "videos", "audio", "chat", "wait"} <= set(dir(client))
    assert "POST /images/generations" in inspect.getdoc(client.images.generations)
    caught(lambda: client.imges, AttributeError)
    caught(lambda: client.images.generatons, AttributeError)
    caught(lambda: client.chat.completion, AttributeError)
    caught(lambda: client.files.content(), TypeError)
    caught(lambda: client.files.content("a", "b"), TypeError)
    caught(lambda: client.images.generations("x"), TypeError)
    assert client.chat is client.chat and client.chat.completions is client.chat.completions
    with mock.patch.object(client.chat.completions, "create", return_value="mocked"):
        assert ask(client) == "mocked"
    assert ask(client).choices


def test_wait(client):
    video = client.videos.generations(model="m", prompt="sun")
    assert client.videos.retrieve_videos_result(id=video.id).task_status == "PROCESSING"
    assert client.wait(video, interval=0.01).video_result[0].url == "https://x/v.mp4"
    task = client.chat.asyncCompletions.create(model="m", messages=MESSAGES)
    assert client.wait(task.id, interval=0.01).choices[0].message.content == "You said: Hi"
    assert client.wait(video, interval=0, timeout=9).task_status == "SUCCESS"


@pytest.mark.parametrize("state", ["FAIL", "FAILED", "ODD", None])
def test_wait_raises_for_a_task_that_failed(service, client, state):
    service.replies.append(reply({"id": "t9", "task_status": state}))
    error = caught(lambda: client.wait("t9"))
    assert "t9" in str(error) and str(state) in str(error) and error.body.id == "t9"


def test_wait_gives_up_in_time_and_names_the_task(service, client):
    service.tasks["t9"] = [{"task_status": "PROCESSING"}]
    with takes(0.15, 1.5):
        error = caught(lambda: client.wait("t9", interval=0.05, timeout=0.2), glm.APITimeoutError)
    assert "t9" in str(error)


def test_tasks_and_ids_that_are_none(service, client):
    for bad in (None, {}, ""):
        caught(lambda bad=bad: client.wait(bad), glm.GLMValueError)
    for bad in ("", ".", ".."):
        caught(lambda bad=bad: client.files.delete(bad), glm.GLMValueError)
    caught(lambda: client.batches.retrieve(batch_id=None), TypeError)
    caught(lambda: client.ask(None), glm.GLMValueError)
    caught(lambda: client.ask("x", images="a.png"), glm.GLMValueError)
    caught(lambda: client.ask("x", stream=True), TypeError)
    assert not service.requests


# -- Client ------------------------------------------------------------------------------------


def test_the_default_model(monkeypatch, service, client):
    for images, model in (((), "glm-4.7-flash"), ((b"GIF8",), "glm-4.6v-flash")):
        request = request_of(KEY, call=lambda client: client.ask("x", images=images))
        assert json.loads(request.data.decode())["model"] == model
    client.ask("x")
    client.ask("x")
    assert sent(service)["model"] == "glm-stand-in"
    assert [seen.method for seen in service.requests] == ["GET", "POST", "POST"]
    other = client.with_options()
    service.replies.append(page("one", "two"))
    assert "one, two" in str(caught(lambda: other.ask("x"), glm.GLMValueError))
    for empty in ({"data": []}, {"data": None}, {}):
        service.replies.append(reply(empty))
        assert "does not list" in str(caught(lambda: other.ask("x"), glm.GLMValueError))
    monkeypatch.setenv("GLM_MODEL", "mine")
    client.ask("x")
    assert sent(service)["model"] == "mine"


def test_the_look_for_the_model_is_part_of_the_call(service, client):
    service.replies.append([60])
    start = time.monotonic()
    caught(lambda: client.ask("x", timeout=0.2, extra_headers={"X-A": "b"}), glm.APITimeoutError)
    assert time.monotonic() - start < 0.5 and service.requests[0].headers["x-a"] == "b"


@pytest.mark.parametrize("options", [{"max_retries": None}, {"default_headers": 5}])
def test_bad_options(service, options):
    caught(lambda: glm.GLM(KEY, service.url, **options), glm.GLMValueError)


def test_with_options_shares_the_connection(service, client):
    ask(client)
    ask(client.with_options(timeout=9, max_retries=1, default_headers={"X-Me": "1"}))
    first, second = [seen.headers for seen in service.requests]
    assert service.connections == 1 and second["x-me"] == "1"
    assert second["authorization"] == first["authorization"]
    with pytest.raises(TypeError):
        client.with_options(nonsense=1)


def test_with_options_keeps_the_base_url(service, monkeypatch):
    monkeypatch.setenv("GLM_BASE_URL", service.url)
    client = glm.GLM(KEY)
    monkeypatch.setenv("GLM_BASE_URL", "http://other.invalid/v1")
    assert client.with_options(timeout=3).base_url == service.url


class Mine(glm.GLM):
    """A subclass with arguments of its own."""

    def __init__(self, tenant, url):
        super().__init__(KEY, url, default_headers={"X-Tenant": tenant}, max_retries=0)
        self.tenant = tenant


def copies(client):
    return [
        copy.copy(client),
        copy.deepcopy(client),
        client.with_options(),
        client.with_options(timeout=3),
    ]


def test_copies_keep_key_and_connection(service, monkeypatch):
    mine = Mine("t", service.url)
    monkeypatch.setenv("GLM_API_KEY", KEY)
    plain = glm.GLM(base_url=service.url)
    monkeypatch.delenv("GLM_API_KEY")
    for client in (mine, plain):
        ask(client)
        for other in copies(client):
            assert type(other) is type(client) and other.chat is not client.chat
            assert ask(other).choices
        with pytest.raises(TypeError) as info:
            pickle.dumps(client)
        assert "in the worker" in str(info.value)
    assert service.connections == 2 and copy.copy(mine).tenant == "t"
    assert [seen.headers.get("x-tenant") for seen in service.requests] == ["t"] * 5 + [None] * 5


def test_a_vendors_key_does_not_leave_by_copies(service, monkeypatch):
    monkeypatch.setenv("ZAI_API_KEY", KEY)
    client = glm.ZaiClient()
    for other in [client, copy.deepcopy(copy.copy(client))] + copies(client):
        service.replies.append(ask_reply())
        ask(other.with_options(base_url=service.url))
        assert "authorization" not in service.requests[-1].headers


def test_close_leaves_a_connection_that_is_in_use(service, client):
    answer = ask(client, stream=True)
    client.close()
    assert len(list(answer)) > 2
    client.close()
    ask(client)
    assert service.connections == 2


def test_a_stream_may_be_closed_by_another_thread(service, client):
    service.replies.append([stream(PART, end=b""), 60])
    answer = ask(client, stream=True)
    threading.Timer(0.1, answer.close).start()
    start = time.monotonic()
    assert 0 < len(list(answer)) < 3 and time.monotonic() - start < 2
    assert answer.completion.choices[0].message.content == "hello wor"
    assert ask(client).choices


def test_an_opener_needs_little():
    class Response:  # without read1
        status, headers = 200, {}
        read = io.BytesIO(ask_reply().partition(b"\r\n\r\n")[2]).read

        def close(self):
            pass

    class Opener:  # without close
        def open(self, request, timeout):
            return Response()

    with glm.GLM(KEY, "http://glm.test/v1", opener=Opener()) as client:
        assert ask(client).choices[0].message.content == "Hi"


ENV_LINES = [  # as python-dotenv reads them
    ("K=abc", "abc"),
    ("K=abc\t# mine", "abc"),
    ("K=abc # mine", "abc"),
    ("K=abc#d", "abc#d"),
    ('K="abc" # mine', "abc"),
    ("'K'=abc", "abc"),
    ("export K='abc'", "abc"),
    ('K="a\\"b"', 'a"b'),
    (r'K="a\nb\\n"', "a\nb\\n"),
    (r"K='a\nb'", r"a\nb"),
    (r"K='it\'s'", "it's"),
    ("K=abc\r", "abc"),
    ("\ufeffK=abc", "abc"),
    ("K= # mine", ""),
    ("K=", ""),
    ("K =  two words ", "two words"),
    ("K=a=b", "a=b"),
    ("K=中文", "中文"),
    ("K=a'b", "a'b"),
    ("K='a # b'", "a # b"),
    ("  K=$x", "$x"),
    ("K", None),
    ("# K=1", None),
    ("=1", None),
    ("'a=b'=c", None),
    ("", None),
]


@pytest.mark.parametrize("line, value", ENV_LINES)
def test_lines_of_an_env_file(tmp_path, monkeypatch, line, value):
    path = tmp_path / ".env"
    path.write_bytes((line + "\nL=1\n").encode("utf-8"))
    monkeypatch.setenv("K", "before")  # so that it is taken away again
    monkeypatch.delenv("K")
    monkeypatch.setenv("L", "0")
    assert glm.load_env(path) == ({"L": "1"} if value is None else {"K": value, "L": "1"})
    assert os.environ.get("K") in (value, value and local(value)) and os.environ["L"] == "0"


@pytest.mark.parametrize("line", ["K=${L}", "K='${L}'", 'K="one', "K='one", 'K="a"b', "K=\0"])
def test_lines_of_an_env_file_that_are_refused(tmp_path, monkeypatch, line):
    path = tmp_path / ".env"
    path.write_bytes(("L=1\n" + line + "\n").encode("utf-8"))
    monkeypatch.setenv("L", "0")
    error = caught(lambda: glm.load_env(str(path)), glm.GLMValueError)
    assert str(path) + ", line 2" in str(error) and os.environ["L"] == "0"


def test_load_env_as_load_dotenv_is_called(tmp_path, monkeypatch):
    path = str(tmp_path / "my.env")
    with open(path, "wb") as file:
        file.write("K=新\n".encode("gbk"))
    assert "utf-8" in str(caught(lambda: glm.load_env(path), glm.GLMValueError))
    for arguments, options, value in (
        ([path], {}, "old"),
        ([], {"dotenv_path": path}, "old"),
        ([path, True], {}, "新"),
        ([path], {"override": True}, "新"),
    ):
        monkeypatch.setenv("K", "old")
        assert glm.load_env(*arguments, encoding="gbk", **options) == {"K": "新"}
        assert os.environ["K"] in (value, local(value))
    monkeypatch.chdir(tmp_path)
    assert glm.load_env() == {} == glm.load_env("no/such")


HOSTILE = ["", " ", "http://", "://", "socks5h://u:p@x:1", "http://[::1", "http://x:99999"]
HOSTILE += ["http://x:y@", "x y", "\\\\corp", "%zz", "http://\u4e2d", "direct://"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_variables_break_neither_import_nor_loopback(service, client, monkeypatch, value):
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, local(value))
    assert ask(client).choices
    error = caught(lambda: elsewhere(client, "http://no-such-host.invalid/v1"))
    assert isinstance(error, glm.APIConnectionError) and "u:p" not in str(error)


SOAK = r"""
import gc, os, resource, sys, glm
gc.disable()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
client, sizes, count = glm.GLM(max_retries=0), [], int(sys.argv[1])
for turn in range(count):
    assert client.ask("a%d" % turn) == "You said: a%d" % turn
    if turn % 10 == 0:
        for piece in client.stream("b%d" % turn):
            break
    if turn % 100 == 0:
        client.with_options(max_retries=1), glm.GLM().ask("c")
    if turn % (count // 5) == 0:
        with open("/proc/self/statm") as file:
            sizes.append(int(file.read().split()[1]) * 4)
print(sizes[1], sizes[-1], len(os.listdir("/proc/self/fd")))
"""


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_long_runs_stay_flat_in_memory_and_files(service):
    service.requests = deque(maxlen=9)
    early, late, files = map(int, python(service, SOAK, FUZZ).split())
    assert late < early + 1500 and files < 20  # kilobytes


# -- Conversation ------------------------------------------------------------------------------


def contents(messages):
    return [message["content"] for message in messages]


def test_turns_share_their_history(service, client):
    talk = glm.Conversation(client, "be kind", model="m", temperature=0.5)
    assert talk.ask("one") == "You said: one"
    assert "".join(talk.stream("two")) == "You said: two"
    assert [message["role"] for message in talk.messages] == ["system"] + ["user", "assistant"] * 2
    assert contents(sent(service)["messages"]) == ["be kind", "one", "You said: one", "two"]
    assert sent(service)["temperature"] == 0.5
    assert talk.ask("see", images=[b"GIF8"]) == "You said: (image_url) see"


def test_a_turn_that_fails_or_is_left_changes_nothing(service, client):
    talk = glm.Conversation(client, model="m", thinking=True)
    talk.ask("one")
    before = copy.deepcopy(talk.messages)
    assert before[-1]["reasoning_content"] == "They said something."
    service.replies.append(failure(1301))
    caught(lambda: talk.ask("bad"))
    service.replies.append(CUTS["clean end"])
    caught(lambda: "".join(talk.stream("cut")))
    service.replies.append(stream(events(chunk("x", "sensitive"), "[DONE]")))
    caught(lambda: "".join(talk.stream("bad")), glm.FinishReasonError)
    for _ in talk.stream("left"):
        break
    assert talk.messages == before
    talk.ask("two")
    assert len(talk.messages) == 4


# -- Async -------------------------------------------------------------------------------------


def run_async(make, debug=True):
    """Run the coroutine that make() returns, in a loop of its own."""
    loop = asyncio.new_event_loop()
    loop.set_debug(debug)
    try:
        return loop.run_until_complete(make())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def in_a_loop(test):
    """Make a test of a coroutine function."""

    @functools.wraps(test)
    def run_test(**fixtures):
        run_async(lambda: test(**fixtures))

    return run_test


@pytest.fixture
def async_client(service):
    return glm.AsyncGLM(KEY, service.url, max_retries=0, timeout=5)


async def joined(pieces):
    return "".join([piece async for piece in pieces])


async def answer_to(client, text, streamed):
    if streamed:
        return await joined(client.stream(text, model="m"))
    return await client.ask(text, model="m")


@in_a_loop
async def test_chat_is_awaited(service, async_client):
    client, create = async_client, async_client.chat.completions.create
    assert await client.ask("Hi", model="m") == "You said: Hi"
    assert (await create(model="m", messages=MESSAGES)).choices
    async with await create(model="m", messages=MESSAGES, stream=True) as answer:
        pieces = [event.choices[0].delta.content async for event in answer]
    assert "".join(pieces) == answer.completion.choices[0].message.content == "You said: Hi"
    assert [piece async for piece in client.stream("abcd", model="m")][:2] == ["You ", "said"]
    talk = glm.AsyncConversation(client, "be kind", model="m")
    assert await talk.ask("one") == "You said: one"
    assert await joined(talk.stream("two")) == "You said: two" and len(talk.messages) == 5
    async with client.with_options(timeout=3) as other:
        assert await other.ask("Hi", model="m") == "You said: Hi"
    answers = [client.ask(str(number), model="m") for number in range(100)]
    assert await asyncio.gather(*answers) == ["You said: %d" % number for number in range(100)]
    await client.close()
    assert glm.AsyncOpenAI is glm.AsyncGLM and KEY not in repr(client)


@in_a_loop
async def test_endpoints_are_awaited(service, async_client, tmp_path):
    client = async_client
    assert len((await client.embeddings.create(model="m", input=["a", "b"])).data) == 2
    assert (await client.request("GET", "/models")).data
    service.replies.extend([page("a", has_more=True), page("b")])
    assert [item.id async for item in await client.batches.list()] == ["a", "b"]
    speech = await client.audio.speech(model="m", input="x")
    with pytest.raises(AttributeError):
        speech.content  # it would block the loop
    await speech.write_to_file(str(tmp_path / "a.wav"))
    assert (tmp_path / "a.wav").read_bytes() == WAV
    speech = await client.audio.speech(model="m", input="x")
    assert b"".join([data async for data in speech.iter_bytes()]) == WAV
    task = await client.videos.generations(model="m", prompt="x")
    assert (await client.wait(task, interval=0.01)).task_status == "SUCCESS"
    for wrong in (client.ask(None), client.files.delete(""), client.request("GET", "/nowhere")):
        with pytest.raises(glm.GLMError):
            await wrong


def test_async_clients_belong_to_no_loop_and_can_be_copied(async_client):
    for client in (async_client, copy.copy(async_client), copy.deepcopy(async_client)):
        for _ in range(2):
            assert run_async(lambda: client.ask("Hi", model="m")) == "You said: Hi"
    with pytest.raises(TypeError):
        pickle.dumps(async_client)


@in_a_loop
async def test_groups_of_the_async_client_can_be_mocked(async_client):
    async def fake(**fields):
        return "mocked"

    async_client.chat.completions.create = fake
    assert await async_client.chat.completions.create(model="m") == "mocked"
    with pytest.raises(AttributeError):
        async_client.nonsense


@pytest.mark.parametrize("name", sorted(HELD))
@in_a_loop
async def test_cancelling_a_task_ends_its_call(service, async_client, name):
    service.replies.append(HELD[name])
    task = asyncio.ensure_future(answer_to(async_client, "x", streamed=name == "a stream"))
    while not service.requests:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    start = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - start < 0.3
    while not service.left:
        await asyncio.sleep(0.01)
        assert time.monotonic() - start < 1
    assert service.left[0] - start < 0.5
    assert await async_client.ask("Hi", model="m") == "You said: Hi"


@in_a_loop
async def test_a_timeout_of_asyncio_ends_waits_of_retries(service, async_client):
    service.replies.append(failure(1302, 429, retry_after=30))
    client, start = async_client.with_options(max_retries=3), time.monotonic()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.ask("x", model="m"), 0.2)
    assert await client.ask("Hi", model="m") == "You said: Hi" and time.monotonic() - start < 1


def test_a_thousand_streams_at_once(service, async_client):
    async def main():
        texts = ["n%d" % number for number in range(1000)]
        streams = [joined(async_client.stream(text, model="m")) for text in texts]
        assert await asyncio.gather(*streams) == ["You said: " + text for text in texts]

    run_async(main, debug=False)  # in debug mode it takes twice as long
    assert len(service.requests) == 1000


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_cancels_at_random_moments(service, async_client):
    rng, good, cancelled = random.Random(7), [], []
    before = threading.active_count()

    async def one(number):
        text = "n%d" % number
        assert await answer_to(async_client, text, streamed=number % 2) == "You said: " + text
        good.append(number)

    async def main():
        loop = asyncio.get_event_loop()
        for _ in range(50):
            tasks = [asyncio.ensure_future(one(number)) for number in range(15)]
            for task in tasks[:10]:
                loop.call_later(rng.random() * 0.012, task.cancel)
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if result is not None:
                    assert isinstance(result, asyncio.CancelledError), result
                    cancelled.append(result)

    run_async(main)
    assert len(good) >= 250 and len(cancelled) > 200
    wait_for(lambda: threading.active_count() < before + 60)

    def nothing_is_open():  # a call that ends late gives its connection back after a close
        run_async(async_client.close)
        return not [fd for fd in os.listdir("/proc/self/fd") if is_connected_to(fd, service)]

    wait_for(nothing_is_open)


def is_connected_to(fd, service):
    """Whether a descriptor is a socket to the service (its own ends have its port at home)."""
    try:
        if not stat.S_ISSOCK(os.fstat(int(fd)).st_mode):
            return False
        with socket.socket(fileno=os.dup(int(fd))) as copy_:
            return copy_.getpeername()[1] == service.port
    except (OSError, IndexError, TypeError):  # closed meanwhile, not connected, of another family
        return False


LEAVES = """
import sys, glm
assert "asyncio" not in sys.modules and "concurrent.futures" not in sys.modules
import asyncio, socket, time
if sys.argv[1] == "lookup":
    socket.getaddrinfo = lambda *args: time.sleep(60)
async def main():
    client = glm.AsyncGLM(max_retries=0)
    try:
        await asyncio.wait_for(client.ask("x"), 0.3)
    except asyncio.TimeoutError:
        print("left", flush=True)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
"""


@pytest.mark.parametrize("what", ["connect", "lookup", "reply"])
def test_the_process_exits_while_a_call_hangs(service, what):
    listener, filled = black_hole() if LINUX else (socket.socket(), [])
    port = listener.getsockname()[1] if what == "connect" and LINUX else service.port
    service.replies.append([60])
    start = time.monotonic()
    url = "http://127.0.0.1:%d/v1" % port
    assert python(service, LEAVES, what, GLM_BASE_URL=url) == "left\n"
    assert time.monotonic() - start < 2.5
    for one in [listener] + filled:
        one.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_an_async_client_works_after_a_fork(service, async_client):
    def works(text):
        return run_async(lambda: async_client.ask(text, model="m")) == "You said: " + text

    assert works("parent")
    time.sleep(0.05)  # until its thread waits for another job
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os._exit(0 if works("child") else 1)
    assert os.waitpid(child, 0)[1] == 0 and works("parent")


@pytest.mark.skipif(sys.version_info < (3, 7), reason="no contextvars")
@in_a_loop
async def test_context_variables_reach_the_call():
    import contextvars

    variable, seen = contextvars.ContextVar("variable"), []

    class Opener(Answers):
        def open(self, request, timeout=None):
            seen.append(variable.get())
            return super().open(request, timeout)

    variable.set("mine")
    assert await glm.AsyncGLM(KEY, opener=Opener(ask_reply())).ask("Hi") == "Hi"
    assert seen == ["mine"]


@in_a_loop
async def test_few_threads_serve_many_calls(service):
    service.replies.extend([[0.02, ask_reply()]] * 12)
    client = glm.AsyncGLM(KEY, service.url, max_concurrency=3)
    assert await asyncio.gather(*[client.ask("x", model="m") for _ in range(12)]) == ["Hi"] * 12
    assert service.connections == 3


# -- Command line ------------------------------------------------------------------------------


def command(*words):
    """The command line: as a module, since a script would be compiled each time."""
    words = [word if isinstance(word, bytes) else local(word) for word in words]
    return [sys.executable, "-W", "error", "-m", "glm"] + words


def run(service, *words, **options):
    """Run the command line."""
    return execute(command(*words), service, **options)


def shell(service, script, *words, **options):
    """Run a script of sh, in which "$@" is the command line."""
    return execute(["sh", "-c", script, "sh"] + command(*words), service, **options)


def launch(service, *words, stdin=subprocess.DEVNULL, **variables):
    """Begin to run the command line."""
    options = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command(*words), env=environment(service, **variables), **options)


def finish(process):
    """Wait for the end of what `launch` began."""
    out, err = process.communicate(timeout=20)
    return Run(process.returncode, out, err)


def json_error(done):
    """The error that --json reports, on one line."""
    assert done.err.count(b"\n") == 1
    error = json.loads(done.err.decode("utf-8"))["error"]
    assert error["exit"] == done.code
    return error


def last_prompt(service):
    return sent(service)["messages"][-1]["content"]


CALLS = [  # words, stdin, the prompt that is sent
    (["Hi", "there"], b"", "Hi there"),
    (["-m", "x", "Hi", "-t", "0.5", "there"], b"", "Hi there"),
    ([], b"from a pipe\n", "from a pipe"),
    (["-"], b"from a pipe\n", "from a pipe"),
    (["Sum up:"], b"line\r\nline 2\r\n", "Sum up:\n\nline\r\nline 2"),
    (["Sum up:", "-"], "\ufeff中文".encode("utf-8"), "Sum up:\n\n中文"),
    ([], "中文 😀".encode("utf-16"), "中文 😀"),
    (["--", "--json", "-x"], b"", "--json -x"),
]


@pytest.mark.parametrize("words, stdin, prompt", CALLS)
def test_prompts(service, words, stdin, prompt):
    done = run(service, *words, stdin=stdin)
    assert done == (0, ("You said: " + prompt + "\n").encode("utf-8"), b"")
    assert sent(service)["messages"] == [{"role": "user", "content": prompt}]
    assert sent(service)["stream"] is True


SEE = [glm.image_part("https://x/y.png"), {"type": "text", "text": "Hi"}]
FIELDS = [  # options, what they put into the request
    (["-m", "big", "-t", "0"], {"model": "big", "temperature": 0.0}),
    (["-mbig", "-t=0.5"], {"model": "big", "temperature": 0.5}),
    (["--model=big", "--max-tokens", "9"], {"model": "big", "max_tokens": 9}),
    (["-P", "top_p=0.5", "--param", "user_id=me"], {"top_p": 0.5, "user_id": "me"}),
    (["-P", 'stop=["a"]', "-P", "seed=-5"], {"stop": ["a"], "seed": -5}),
    (["--no-think", "--think"], {"chat_template_kwargs": {"enable_thinking": True}}),
    (["--no-think"], {"chat_template_kwargs": {"enable_thinking": False}}),
    (["--effort", "low"], {"reasoning_effort": "low"}),
    (["-s", "-be kind"], {"messages": [{"role": "system", "content": "-be kind"}] + MESSAGES}),
    (["-i", "https://x/y.png"], {"messages": [{"role": "user", "content": SEE}]}),
]


@pytest.mark.parametrize("options, fields", FIELDS)
def test_options_become_fields(service, options, fields):
    assert run(service, *options, "Hi").code == 0
    body = sent(service)
    assert dict(body, **fields) == body


def test_an_image_from_a_file_and_from_stdin(service, tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(b"GIF89a")
    assert run(service, "see", "-i", str(path), "-i", "-", stdin=b"\x89PNGx").code == 0
    urls = [part["image_url"]["url"][:15] for part in last_prompt(service)[:2]]
    assert urls == ["data:image/gif;", "data:image/png;"]


OUTPUTS = [  # words, stdout, how stderr begins
    ("Hi --no-stream --think --show-thinking", "You said: Hi\n", "They said something.\n"),
    ("Hi --think --show-thinking --usage", "You said: Hi\n", "They said something.\ntokens: {"),
    ("Hi -v", "You said: Hi\n", "POST http://127.0.0.1:"),
    ("--models", "glm-stand-in\n", ""),
    ("--explain 1302", glm.explain(1302) + "\n", ""),
    ("--explain", glm.explain() + "\n", ""),
]


@pytest.mark.parametrize("words, out, err", OUTPUTS)
def test_outputs(service, words, out, err):
    done = run(service, *words.split())
    assert done.code == 0 and done.out.decode("utf-8") == out
    assert done.err.decode().startswith(err) and bool(done.err) == bool(err)
    assert KEY.encode() not in done.err


def test_the_completion_as_json(service):
    whole = json.loads(run(service, "Hi", "--json").out.decode())
    assert whole["choices"][0]["message"]["content"] == "You said: Hi" and whole["usage"]


def finished(reason, text=""):
    return stream(events(chunk(text, reason), "[DONE]"))


NO_KEY = {"GLM_BASE_URL": "zai", "GLM_API_KEY": None}
EXITS = [  # reply or None, words after Hi, environment, exit code, words on stderr
    (failure(1214), [], {}, 1, "1214"),
    (reply("", 404), [], {}, 1, "404"),
    (None, ["--nonsense"], {}, 2, "--nonsense"),
    (None, ["--json", "--nonsense"], {}, 2, '"exit": 2'),
    (None, ["-i", "no/such.png"], {}, 2, "no/such.png"),
    (None, ["-t", "warm"], {}, 2, "temperature"),
    (None, ["--sys", "x"], {}, 2, "--sys"),
    (None, ["--ca-file", "no/such", "--base-url", "https://x"], {}, 2, "--ca-file: no"),
    (None, ["-P", "x"], {}, 2, "KEY=JSON"),
    (None, ["-P", "x={"], {}, 2, "KEY=JSON"),
    (None, ["--base-url", "ftp://x"], {}, 2, "--base-url or GLM_BASE_URL:"),
    (None, ["-m"], {}, 2, "expected one argument"),
    (None, ["--timeout", "0"], {}, 2, "timeout"),
    (None, ["--timeout", "total=x"], {}, 2, "timeout"),
    (None, ["--key-file", "no/such"], {}, 2, "no/such"),
    (None, ["--env-file", "no/such"], {}, 2, "no/such"),
    (None, ["--auth", "magic"], {}, 2, "auth"),
    (failure(1000, 401), [], {}, 3, "1000"),
    (failure(9999, 401), [], {}, 3, "401"),
    (None, [], NO_KEY, 3, "use --key-file"),
    (None, [], NO_KEY, 3, "https://z.ai/manage-apikey"),
    (None, [], {"GLM_API_KEY": "a b\nc"}, 3, "GLM_API_KEY"),
    (failure(1113, 429), [], {}, 4, "1113"),
    (failure(1308, 429), [], {}, 4, "1308"),
    (failure(1301), [], {}, 5, "1301"),
    (finished("sensitive"), [], {}, 5, "filter"),
    (failure(1302, 429, retry_after=99), [], {}, 6, "1302"),
    (failure(1234, 500, retry_after=99), [], {}, 7, "1234"),
    ([60], ["--timeout", "0.2"], {}, 7, "read timeout"),
    ([60], ["--timeout", "total=0.2"], {}, 7, "total timeout"),
    (None, ["--base-url", "http://no-such-host.invalid/v1"], {}, 7, "no-such-host"),
    (None, ["--base-url", "http://h.test"], {"http_proxy": "socks5://127.0.0.1"}, 7, "http_proxy"),
    (None, ["--base-url", "http://h.test", "--proxy", "socks5://x"], {}, 7, "use --proxy off"),
    (failure(1261), [], {}, 8, "1261"),
    (finished("stop"), [], {}, 8, "empty"),
    (finished("length"), [], {}, 8, "max_tokens"),
    (finished("model_context_window_exceeded"), [], {}, 8, "context"),
    (finished("length", "cut"), [], {}, 0, "max_tokens"),
]
ARGUMENTS = ("api_key=", "base_url", "ca_file", "proxy=False", "model=", "opener=")


@pytest.mark.parametrize("answer, words, variables, code, text", EXITS)
def test_exit_codes(service, answer, words, variables, code, text):
    service.replies.extend([answer] if answer else [])
    done = run(service, "Hi", *words, **variables)
    err = done.err.decode("utf-8")
    assert done.code == code and text in err and done.out == (b"" if code else b"cut\n")
    assert not [name for name in ARGUMENTS if name in err]  # messages name options


ONE_OF_EACH = {code: answer for answer, words, _, code, _ in EXITS if answer and not words}


@pytest.mark.parametrize("code", sorted(ONE_OF_EACH))
def test_the_exit_code_is_the_same_with_json(service, code):
    service.replies.append(ONE_OF_EACH[code])
    done = run(service, "Hi", "--json")
    assert done.code == code and (code == 0 or json_error(done))


@pytest.mark.parametrize("stdin, text", [(b"", "no prompt"), (b"\x89PNG\0\0", "binary")])
def test_no_prompt(service, stdin, text):
    done = run(service, stdin=stdin)
    assert done.code == 2 and text in done.err.decode() and not service.requests


def test_messages_about_models_and_certificates_name_options(service, secure):
    service.replies.append(page("a", "b"))
    err = run(service, "Hi", GLM_MODEL=None).err.decode()
    assert "-m or GLM_MODEL" in err and "model=" not in err
    err = run(service, "Hi", "--base-url", secure.url).err.decode()
    assert "--ca-file" in err and "ca_file" not in err


BREAKS = {name: CUTS[name] for name in ("clean end", "reset", "network_error")}
BREAKS["timeout"] = [stream(PART, end=b""), 60]


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_a_cut_answer_is_exit_8_with_its_text(service, name):
    service.replies.extend([BREAKS[name]] * 2)
    process = launch(service, "Hi", "--timeout", "0.3")
    error = json_error(finish(launch(service, "Hi", "--timeout", "0.3", "--json")))
    assert error["exit"] == 8
    assert error["partial"]["choices"][0]["message"]["content"] == "hello wor"
    done = finish(process)
    assert (done.code, done.out) == (8, b"hello wor\n") and done.err.startswith(b"glm.py: ")


def test_errors_as_json(service):
    service.replies.append(failure(1308, 429, "reset at " + stamp(3600), x_request_id="r1"))
    error = json_error(run(service, "Hi", "--json"))
    assert error.pop("retry_at").startswith(stamp(3600)[:10]) and "1308" in error.pop("message")
    facts = {"code": "1308", "retryable": False, "request_id": "r1", "partial": None, "exit": 4}
    assert error == facts
    service.replies.append(CUTS["reset"])
    assert json_error(run(service, "Hi", "--json"))["retryable"] is True


@pytest.mark.parametrize("words", ["--key sk-hush Hi", "--api-key=sk-hush Hi", "-ksk-hush"])
def test_a_key_as_an_option_is_refused_and_not_shown(service, words):
    done = run(service, *words.split())
    assert done.code == 2 and b"there is no option -" in done.err and b"hush" not in done.err
    assert not service.requests


@pytest.fixture(scope="session", autouse=True)
def localedefs(tmp_path_factory):
    """encoding -> (process that makes such a locale, its folder); it takes 5 s, so it begins first."""
    made = {}
    for encoding in ("GB18030", "GBK") if shutil.which("localedef") else ():
        folder = str(tmp_path_factory.mktemp("locale"))
        words = ["localedef", "-c", "-i", "POSIX", "-f", encoding, folder + "/zh_CN." + encoding]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        made[encoding] = (subprocess.Popen(words, **quiet), folder)
    yield made
    for process, _ in made.values():
        process.kill()  # where nobody waited for it
        process.wait()


@pytest.fixture(params=["GB18030", "GBK"])
def chinese_locale(request, localedefs):
    """(variables of a locale that is not UTF-8, its encoding)"""
    if request.param not in localedefs:
        pytest.skip("no localedef: the locale cannot be made")
    process, folder = localedefs[request.param]
    process.wait()
    name = "zh_CN." + request.param
    if not os.path.exists(os.path.join(folder, name)):
        pytest.skip("localedef has no " + name)
    return {"LOCPATH": folder, "LC_ALL": name}, request.param


def test_words_and_pipes_in_the_locales_encoding(service, chinese_locale, tmp_path):
    variables, encoding = chinese_locale
    path = os.path.join(os.fsencode(str(tmp_path)), "图.gif".encode(encoding))
    with open(path, "wb") as file:
        file.write(b"GIF89a")
    words = ["你好，世界".encode(encoding), "-s", "简短".encode(encoding), "-i", path]
    done = run(service, *words, **variables)
    assert done.out.decode("utf-8") == "You said: (image_url) 你好，世界\n"
    assert sent(service)["messages"][0]["content"] == "简短"
    done = run(service, "-", stdin="管道".encode(encoding), **variables)
    assert done.out.decode("utf-8") == "You said: 管道\n"


def test_chinese_file_names_without_a_locale(service, tmp_path):
    (tmp_path / local("图片.gif")).write_bytes(b"GIF89a")
    (tmp_path / local("密钥")).write_bytes(KEY.encode())
    words = ["看", "-i", "图片.gif", "--session", "会话", "--key-file", "密钥"]
    done = run(service, *words, cwd=tmp_path, LC_ALL="C", LANG="C", GLM_API_KEY=None)
    assert done.out.decode("utf-8") == "You said: (image_url) 看\n"
    assert (tmp_path / local("会话")).exists()


ENCODINGS = [
    {},
    {"LC_ALL": "C", "LANG": "C"},
    {"PYTHONIOENCODING": "gbk"},
    {"PYTHONIOENCODING": "ascii"},
]


@pytest.mark.parametrize("variables", ENCODINGS)
def test_pipes_are_utf_8_always(service, variables):
    refusal = {"error": {"code": "1301", "message": "不安全"}}
    service.replies.append(stream(events(chunk("你好 😀"), refusal)))
    done = run(service, "你好 😀", stdin="中文\n".encode("utf-8"), **variables)
    assert last_prompt(service) == "你好 😀\n\n中文"
    assert done.out.decode("utf-8") == "你好 😀\n" and "不安全" in done.err.decode("utf-8")


def test_half_an_emoji_is_shown_as_such(service):
    half = '{"choices":[{"index":0,"delta":{"content":"%s"}}]}'
    rows = [half % "a\\ud83d", half % "\\ude00b\\ud83d", chunk("", "stop"), "[DONE]"]
    service.replies.append(stream(events(*rows)))
    assert run(service, "Hi").out.decode("utf-8") == "a\ufffd\ufffdb\ufffd\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("head, text", [([], b""), ([stream(PART, end=b"")], b"hello wor\n")])
def test_ctrl_c_keeps_the_text(service, head, text):
    service.replies.append(head + [60])
    process = launch(service, "Hi")
    shown = os.read(process.stdout.fileno(), 9) if text else b""
    wait_for(lambda: service.requests)
    time.sleep(0.05)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, shown + out, err) == (130, text, b"") and time.monotonic() - start < 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes")
def test_a_closed_pipe_is_quiet(service):
    head, _, body = stream(PART, end=b"").partition(b"\r\n\r\n")
    service.replies.append([head + b"\r\n\r\n"] + [body, 0.02] * 99)
    process = launch(service, "Hi")
    os.read(process.stdout.fileno(), 3)
    process.stdout.close()
    assert process.wait(20) == 141 and process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes")
def test_a_pipe_has_three_seconds_to_begin_but_all_time_with_a_dash(service):
    silent, late = os.pipe(), os.pipe()
    os.set_blocking(late[0], False)  # as another process may leave it
    start = time.monotonic()
    hasty = launch(service, "Hi", stdin=silent[0])
    patient = launch(service, "Review:", "-", stdin=late[0])
    done = finish(hasty)
    assert done.out == b"You said: Hi\n" and b"stdin" in done.err
    assert 2.5 < time.monotonic() - start < 6 and len(service.requests) == 1
    for part in (b"part one ", b"part two"):
        os.write(late[1], part)
        time.sleep(0.15)
    os.close(late[1])
    assert finish(patient).out == b"You said: Review:\n\npart one part two\n"
    for descriptor in (late[0],) + silent:
        os.close(descriptor)


KEY_FILES = [("--key-file", KEY + "\n"), ("--env-file", "GLM_API_KEY=" + KEY)]


@pytest.mark.parametrize("option, text", KEY_FILES)
def test_a_key_from_a_file(service, tmp_path, option, text):
    (tmp_path / "file").write_text(text)
    assert run(service, "Hi", option, str(tmp_path / "file"), GLM_API_KEY=None).code == 0


needs_terminal = pytest.mark.skipif(not LINUX, reason="no such terminals")


class Terminal:
    """The command line on a terminal of its own (Linux: opening it makes it the controlling one)."""

    def __init__(self, service, *words, **variables):
        import pty

        self.fd, self.keep = pty.openpty()  # the latter is kept, else reads fail at the end
        self.text = ""
        script = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self.keep)]
        variables = environment(service, TERM="dumb", **variables)
        options = {"stdin": subprocess.DEVNULL, "start_new_session": True}
        self.process = subprocess.Popen(script + command(*words), env=variables, **options)

    def expect(self, text, encoding="utf-8"):
        """What came up to and with the text; the rest stays for the next look."""
        end = time.monotonic() + 20
        while text not in self.text:
            assert time.monotonic() < end, (text, self.text)
            if select.select([self.fd], [], [], 0.1)[0]:
                self.text += os.read(self.fd, 65536).decode(encoding, "replace")
        before, _, self.text = self.text.partition(text)
        return before + text

    def send(self, text):
        os.write(self.fd, text.encode("utf-8", "surrogateescape"))

    def type(self, line, *answers):
        """Type a line, and wait for what answers it and the next prompt."""
        self.send(line + "\n")
        for text in answers + ("> ",):
            self.expect(text)

    def end(self, typed=""):
        """The exit code, once it was told to end."""
        self.send(typed)
        code = self.process.wait(20)
        os.close(self.fd)
        os.close(self.keep)
        return code


CTRL_C, CTRL_D = "\x03", "\x04"


def conversation(service, *words, **variables):
    """A terminal with a conversation, at its first prompt."""
    terminal = Terminal(service, *words, **variables)
    terminal.expect("> ")
    return terminal


@needs_terminal
def test_a_conversation_at_the_terminal(service, tmp_path):
    variables = {"HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8:strict"}
    terminal = conversation(service, "-s", "be kind", **variables)
    for text in ("one", "two 中文"):
        terminal.type(text, "You said: " + text)
    assert contents(sent(service)["messages"]) == ["be kind", "one", "You said: one", "two 中文"]
    service.replies.extend([[stream(PART, end=b""), 60], failure(1301)])
    terminal.send("stop me\n")
    terminal.expect("hello wor")
    terminal.send(CTRL_C)
    terminal.expect("forgotten")
    terminal.expect("> ")
    terminal.type("something bad", "1301")
    terminal.type("three", "You said: three")
    assert contents(sent(service)["messages"])[-2:] == ["You said: two 中文", "three"]
    terminal.type("/help", "/clear")
    terminal.type("/nonsense and more", "There is no /nonsense and more")
    terminal.type("/clear", "Forgotten")
    terminal.type("\udcff")  # no UTF-8
    terminal.send("half a line")
    terminal.expect("half a line")
    time.sleep(0.2)  # CPython misses a signal that comes just before it waits for a key
    terminal.send(CTRL_C)
    terminal.expect("> ")
    terminal.type("four", "You said: four")
    assert contents(sent(service)["messages"]) == ["be kind", "four"]
    assert terminal.end(CTRL_D) == 0 and os.listdir(str(tmp_path)) == []


@needs_terminal
@pytest.mark.parametrize("word", ["/exit", "/quit", "/bye", "exit", "quit"])
def test_words_that_end_a_conversation(service, word):
    assert conversation(service).end(word + "\n") == 0 and not service.requests


TYPED = [  # what is typed, the prompt that it makes
    ("one\\\ntwo", "one\ntwo"),
    ('"""one\n\nthree"""', "one\n\nthree"),
    ('"""\na\nb\n"""', "a\nb"),
    ("/etc/passwd is what?", "/etc/passwd is what?"),  # no command
]


@needs_terminal
def test_several_lines_make_one_turn(service):
    terminal = conversation(service)
    for typed, prompt in TYPED:
        terminal.type(typed, "You said:")
        assert last_prompt(service) == prompt
    assert terminal.end(CTRL_D) == 0


@needs_terminal
def test_chinese_and_tabs_at_a_terminal_without_locale(service):
    terminal = conversation(service, LC_ALL="C")
    terminal.type("你好\tx", "You said:")
    assert last_prompt(service) == "你好\tx" and terminal.end(CTRL_D) == 0


@needs_terminal
def test_a_terminal_shows_that_something_goes_on(service):
    slow = [stream(b"", end=b""), 0.2, stream(events(*ANSWER)).partition(b"\r\n\r\n")[2]]
    service.replies.extend([failure(1302, 429, retry_after=0.6), slow])
    terminal = Terminal(service, "Hi")
    terminal.expect("thinking ...")
    terminal.expect("waiting 1 s: 1302")
    shown = terminal.expect("Hello\r\n")
    assert "thinking ..." in shown and shown.endswith("\r" + " " * 12 + "\rHello\r\n")
    assert terminal.end() == 0
    service.replies.append(failure(1302, 429, retry_after=0))
    assert run(service, "Hi") == (0, b"You said: Hi\n", b"")  # no terminal, no hints


SCREENS = [  # encoding, how it shows control characters, those that change the direction, others
    ("utf-8", "a\\x1b[31mb\\x9bc\\x07\td\\u202ee中é😀"),
    ("gbk", "a\\x1b[31mb\\x9bc\\x07\td\\u202ee中é?"),
    ("cp1252", "a\\x1b[31mb\\x9bc\\x07\td\\u202ee?é?"),
]


@needs_terminal
@pytest.mark.parametrize("encoding, shown", SCREENS)
def test_what_a_terminal_shows(service, encoding, shown):
    text = "a\x1b[31mb\x9bc\x07\td\u202ee中é😀"
    service.replies.append(stream(events(chunk(text, "stop"), "[DONE]")))
    terminal = Terminal(service, "Hi", PYTHONIOENCODING=encoding)
    terminal.expect("thinking ...\r" + " " * 12 + "\r" + shown + "\r\n", encoding)
    assert terminal.end() == 0


@needs_terminal
def test_clear_empties_the_session_at_once(service, tmp_path):
    path = tmp_path / "talk"
    terminal = conversation(service, "-s", "be kind", "--session", str(path))
    terminal.type("one", "You said: one")
    assert len(path.read_bytes().splitlines()) == 3
    terminal.type("/clear", "Forgotten")
    assert path.read_bytes() == b""
    terminal.type("two", "You said: two")
    assert terminal.end(CTRL_D) == 0
    rows = map(json.loads, path.read_text().splitlines())
    assert contents(rows) == ["be kind", "two", "You said: two"]


@needs_terminal
def test_a_session_goes_on_at_the_terminal(service, tmp_path):
    words = ["--session", str(tmp_path / "talk")]
    assert run(service, *words, "-s", "be kind", "one").out == b"You said: one\n"
    terminal = conversation(service, *words)
    terminal.type("two", "You said: two")
    assert terminal.end(CTRL_D) == 0
    assert run(service, *words, "three").out == b"You said: three\n"
    turns = ["be kind", "one", "You said: one", "two", "You said: two", "three"]
    assert contents(sent(service)["messages"]) == turns


def test_a_session_keeps_good_turns_and_is_private(service, tmp_path):
    path = tmp_path / "talk"
    words = ["--session", str(path)]
    assert run(service, "one", *words).code == 0
    assert sys.platform == "win32" or path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    service.replies.extend([CUTS["reset"], failure(1301)])
    assert [run(service, "lost", *words).code for _ in range(2)] == [8, 5]
    assert path.read_bytes() == before
    for torn in (  # what a kill leaves of a turn
        b'{"role": "user", "cont',
        b'{"role": "user", "content": "lost"}\n{"role": "assistant", "cont',
    ):
        path.write_bytes(before + torn)
        done = run(service, "two", "-s", "late", *words)
        assert done.code == 0 and b"-s is passed over" in done.err
        assert path.read_bytes().startswith(before) and len(path.read_bytes().splitlines()) == 4
        assert contents(sent(service)["messages"]) == ["one", "You said: one", "two"]


NO_SESSIONS = [b"my diary", b"my diary\n", b"[1]\n", b'{"a": 1}', b'{"role": "pope"}\n']


@pytest.mark.parametrize("data", NO_SESSIONS)
def test_a_file_that_is_no_session_is_left_as_it_is(service, tmp_path, data):
    path = tmp_path / "talk"
    path.write_bytes(data)
    done = run(service, "three", "--session", str(path))
    assert done.code == 2 and b"session" in done.err and path.read_bytes() == data


@needs_terminal
def test_a_session_survives_kills(service, tmp_path):
    path, rng = tmp_path / "talk", random.Random(3)
    for turn in range(5):
        process = launch(service, "--session", str(path), "x" * 5000)
        wait_for(lambda turn=turn: len(service.requests) > turn)
        time.sleep(rng.random() * 0.02)
        process.kill()
        finish(process)
        lines = path.read_bytes().splitlines(True) if path.exists() else []
        assert all(json.loads(line.decode()) for line in lines if line.endswith(b"\n"))
    assert run(service, "--session", str(path), "last").code == 0
    *turns, last = contents(sent(service)["messages"])
    assert turns[1::2] == ["You said: " + text for text in turns[::2]] and last == "last"


@pytest.mark.skipif(not LINUX, reason="no /dev/full")
def test_a_full_disk_and_a_folder_that_is_read_only(service, tmp_path):
    done = shell(service, '"$@" >/dev/full', "Hi")
    assert done.code == 1 and b"No space" in done.err and done.err.count(b"\n") == 1
    talk = tmp_path / "talk"
    assert run(service, "one", "--session", str(talk)).code == 0
    before = talk.read_bytes()
    done = shell(service, 'ulimit -f 1; exec "$@"', "--session", str(talk), "x" * 5000)
    assert done.code == 1 and b"no room" in done.err and talk.read_bytes() == before
    for path in ("/proc/talk", "/no/such/talk"):
        done = run(service, "Hi", "--session", path)
        assert done.code == 2 and path.encode() in done.err and done.out == b""


CLOSED = [("<&-", 0), ("2>&-", 0), ("<&- 2>&-", 0), (">&-", 1), ("<&- >&- 2>&-", 1)]
CLOSED += [("2>/dev/full", 0)] if LINUX else []


@pytest.mark.skipif(sys.platform == "win32", reason="no such descriptors")
@pytest.mark.parametrize("descriptors, code", CLOSED)
def test_closed_descriptors(service, descriptors, code):
    done = shell(service, '"$@" ' + descriptors, "Hi", "--usage")
    assert (done.code, done.out) == (code, b"" if code else b"You said: Hi\n")


def checked(done):
    """The lines of --check by name."""
    assert done.code == 0 and done.err == b""
    return {line[:9].strip(): line[10:] for line in done.out.decode("utf-8").splitlines()}


def test_check(service):
    lines = checked(run(service, "--check", "-m", "glm-stand-in", ZAI_API_KEY="z"))
    assert lines.pop("Python").startswith(sys.version.split()[0]) and "SSL" in lines.pop("OpenSSL")
    assert re.match(r"[+-]\d+ s", lines.pop("clock")) and "after" in lines.pop("answer")
    assert lines == {
        "base URL": service.url,
        "key": "GLM_API_KEY, sent as it is",
        "proxy": "none",
        "CA": "the system's",
        "model": "glm-stand-in",
    }
    assert len(service.requests) == 1


def test_check_by_tls_and_a_proxy(service, secure, tls):
    words = ["--check", "--ca-file", tls[1]]
    options = ["--base-url", secure.url, "--auth", "jwt"]
    lines = checked(run(service, *words, *options, GLM_MODEL=None))
    assert "signed" in lines["key"] and lines["CA"] == tls[1]
    options = ["--base-url", "https://glm.test:%d/api/paas/v4" % secure.port]
    options += ["--proxy", "http://u:hush@127.0.0.1:%d" % service.port]
    lines = checked(run(service, *words, *options, GLM_MODEL=None))
    assert lines["proxy"] == "proxy 127.0.0.1:%d" % service.port  # and not its login


CHECKS = [  # options, environment, reply, exit code, words on stderr
    ([], {"GLM_API_KEY": "wrong"}, None, 3, "1000"),
    (["-m", "other"], {}, None, 2, "the server has: glm-stand-in"),
    ([], {"GLM_BASE_URL": "http://127.0.0.1:9/v1"}, None, 7, "refused"),
    ([], {}, reply(b"", 404), 1, "no /models"),
    ([], {}, reply(b"", 301, location="/x"), 1, "redirect"),
    ([], {}, failure(1113, 429), 4, "1113"),
    ([], {}, reply("<html>log in</html>"), 1, "no list of models"),
    ([], {}, reply({"code": 500, "success": False}), 1, "no list of models"),
    ([], {"GLM_BASE_URL": "http://a..b/v1"}, None, 7, "host name"),
    (["--proxy", "socks5://x", "--base-url", "http://h.test"], {}, None, 7, "--proxy off"),
]


@pytest.mark.parametrize("words, variables, answer, code, text", CHECKS)
def test_check_fails_where_a_prompt_would(service, words, variables, answer, code, text):
    service.replies.extend([answer] if answer else [])
    done = run(service, "--check", *words, **variables)
    assert done.code == code and text in done.err.decode("utf-8")
    assert len(service.requests) <= 1


# -- The file as a whole -----------------------------------------------------------------------

with open(os.path.join(HERE, "glm.py"), encoding="utf-8") as _file:
    SOURCE = _file.read()


def test_it_imports_the_standard_library_alone():
    import ast

    nodes = list(ast.walk(ast.parse(SOURCE)))
    names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    names = {name.partition(".")[0] for name in names}
    assert names <= getattr(sys, "stdlib_module_names", names) and len(names) > 20


def version_of(source):
    digest = hashlib.sha256(source.encode("utf-8")).hexdigest()
    return "glm.py {}, SHA-256 {}\n".format(glm.__version__, digest).encode()


COPIES = """
import sys; sys.path[:0] = sys.argv[1:3]
import renamed, zipped
from pkg._vendor import glm
for module in (renamed, zipped, glm):
    client = module.GLM(sys.argv[4], sys.argv[3])
    assert client.ask("Hi", model="m") == "You said: Hi"
assert renamed.GLMError is not glm.GLMError
"""


def test_copies_live_side_by_side(service, tmp_path):
    import zipfile

    (tmp_path / "pkg" / "_vendor").mkdir(parents=True)
    for name in ("pkg/__init__.py", "pkg/_vendor/__init__.py"):
        (tmp_path / name).write_text("")
    for name in ("pkg/_vendor/glm.py", "renamed.py"):
        (tmp_path / name).write_text(SOURCE, encoding="utf-8")
    with zipfile.ZipFile(str(tmp_path / "z.zip"), "w") as archive:
        archive.writestr("zipped.py", SOURCE)
    words = [str(tmp_path), str(tmp_path / "z.zip"), service.url, KEY]
    done = execute([sys.executable, "-I", "-S", "-W", "error", "-c", COPIES] + words)
    assert done == (0, b"", b"")
    done = execute([sys.executable, "-m", "renamed", "--version"], cwd=tmp_path)
    assert done.out == version_of(SOURCE)


CUT = """
import cut
from cut import *
client = GLM()
assert client.ask("Hi") == "You said: Hi" == "".join(client.stream("Hi"))
assert all(hasattr(cut, name) for name in cut.__all__)
"""


@pytest.mark.parametrize("cut", [["Command line"], ["Async"], ["Async", "Command line"]])
def test_what_stands_below_a_banner_can_be_cut_off(service, tmp_path, cut):
    head, *sections = re.split("(?m)^# -- (.*?) -+$", SOURCE)
    pairs = list(zip(sections[::2], sections[1::2]))
    kept = ["# -- " + name + body for name, body in pairs if name not in cut]
    assert len(pairs) - len(kept) == len(cut)
    (tmp_path / "cut.py").write_text(head + "".join(kept), encoding="utf-8")
    python(service, CUT, PYTHONPATH=str(tmp_path))
    if "Command line" not in cut:
        done = execute([sys.executable, "cut.py", "--version"], cwd=tmp_path)
        assert done.out == version_of(head + "".join(kept))


def test_the_public_names_are_there_in_the_order_of_the_file():
    assert "main" in glm.__all__ and all(hasattr(glm, name) for name in glm.__all__)
    names = ("class GLMError", "def retry", "class Record", "class GLM:")
    order = [SOURCE.index(name, SOURCE.index("# -- Constants")) for name in names]
    assert order == sorted(order)


WITHOUT_SSL = """
import sys; sys.modules["ssl"] = sys.modules["_ssl"] = None
import glm
assert glm.GLM().ask("Hi") == "You said: Hi"
try:
    glm.GLM(base_url="https://127.0.0.1:1/v1").ask("Hi")
except glm.APIConnectionError as error:
    assert "ssl" in str(error) and not error.retryable
    print("refused")
"""


def test_without_ssl_plain_http_works(service):
    assert python(service, WITHOUT_SSL) == "refused\n"


def test_lines_fit():
    assert max(map(len, SOURCE.splitlines())) <= 100


# -- README ------------------------------------------------------------------------------------

with open(os.path.join(HERE, "README.md"), encoding="utf-8") as _file:
    README = _file.read()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def write_prompts(folder, count):
    rows = [{"id": number, "prompt": "Say %d" % number} for number in range(count)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_readmes_python_runs(service, tmp_path, number):
    (tmp_path / "photo.png").write_bytes(b"\x89PNGx")
    write_prompts(tmp_path, 9)
    block = BLOCKS[number].replace("client.wait(task,", "client.wait(task, interval=0.1,")
    if sys.version_info < (3, 7):  # which has no asyncio.run
        loop = "loop = asyncio.get_event_loop(); loop.run_until_complete(main()); loop.close()"
        block = block.replace("asyncio.run(main())", loop)
    (tmp_path / "block.py").write_text(block, encoding="utf-8")
    service.files["file-1"] = ("out", b"{}")
    words = [sys.executable, "-W", "error", "block.py"]
    done = execute(words, service, cwd=tmp_path, PYTHONIOENCODING="utf-8")
    assert done.code == 0 and not done.err, done.err.decode()
    assert done.out or "print" not in block or "def work" in block or "prompts.jsonl" in block


def test_the_readmes_file_of_prompts(service, tmp_path):
    block = next(block for block in BLOCKS if "prompts.jsonl" in block)
    write_prompts(tmp_path, 20)
    for_now = [failure(1113, 429), failure(1000, 401)]
    service.replies.extend(for_now + [failure(1301), finished("sensitive", "x")])
    counts = []
    for _ in range(3):
        python(service, block, cwd=tmp_path)
        lines = (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()
        counts.append((len(service.requests), len(lines)))
    assert counts == [(20, 18), (22, 20), (22, 20)]
    rows = {row["id"]: row for row in map(json.loads, lines)}
    answers = {number: row["answer"] for number, row in rows.items() if "error" not in row}
    assert len(rows) == 20 and len(answers) == 18
    assert answers == {number: "You said: Say %d" % number for number in answers}


@needs_terminal
def test_the_readmes_transcripts(service, tmp_path):
    script = " ".join(map(shlex.quote, command()))
    for block in re.findall(r"```console\n(.*?)```", README, re.S):
        code = 0
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            line, _, expected = part.partition("\n")
            line = line.replace("python3 glm.py", script).replace("$?", str(code))
            done = shell(service, "(%s) 2>&1" % line, cwd=tmp_path)
            code = done.code
            pattern = re.escape(expected).replace(re.escape("..."), ".+")
            assert re.match(pattern + "$", done.out.decode("utf-8")), (line, done.out)


@needs_terminal
def test_the_readmes_conversation(service):
    first, *lines = re.findall(r"```terminal\n(.*?)```", README, re.S)[0].splitlines()
    terminal = Terminal(service, *shlex.split(first)[3:])
    for line in lines:
        terminal.expect(line[:2] if line.startswith("> ") else line)
        if line.startswith("> "):
            terminal.send(line[2:] + "\n")
    terminal.expect("> ")
    assert terminal.end(CTRL_D) == 0


def test_the_readmes_commands():
    commands = re.findall(r"(?m)^(?:\w+=\S+ )*python3 (?:test_)?glm.py .*$", README)
    assert len(commands) == 4
    for text in commands[:1] + commands[3:]:  # the others need a key
        script = local(text.replace("python3", shlex.quote(sys.executable)))
        done = shell(None, script, cwd=HERE, LC_ALL="C")
        assert done.code == 0 and done.out
        assert "test_glm.py" not in text or b"You said: Say hello" in done.out


def test_the_readme_says_what_the_file_says():
    assert max(map(len, run(None, "--help").out.decode().splitlines())) <= 79
    changes = README.partition("## Changes and licence")[2]
    assert changes.split("- ")[1].startswith(glm.__version__ + ":")
    for name in re.findall(r"\b[A-Z]\w+Error\b", README):
        assert hasattr(glm, name) or name == "ValueError", name
    imported = re.findall(r"(?m)^from glm import (.+)", README)
    used = set(re.findall(r"\bglm\.([A-Za-z]\w+)", "".join(BLOCKS)))
    assert used.union(*(names.split(", ") for names in imported)) <= set(glm.__all__)


SERVE = 'text="$({0} test_glm.py --serve &)"; eval "$text"; echo "$text"; {0} -m glm -m x Hello'


@pytest.mark.skipif(sys.platform == "win32", reason="no sh")
def test_the_stand_in_keeps_running_for_a_shell():
    start = time.monotonic()
    words = ["sh", "-c", SERVE.format(shlex.quote(sys.executable))]
    out = subprocess.check_output(words, cwd=HERE, env=environment(), timeout=20)
    assert time.monotonic() - start < 10
    url, key, kill, answer = out.decode().splitlines()
    assert answer == "You said: Hello"
    try:
        look_at_the_stand_in(glm.GLM(key.partition("=")[2], url.partition("=")[2]))
    finally:
        os.kill(int(kill.split()[-1]), signal.SIGTERM)
    wait_for(lambda: is_refused(int(re.search(":([0-9]+)/", url).group(1))))


def is_refused(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


def look_at_the_stand_in(client):
    start = time.monotonic()
    thinker = ask(client, stream=True, thinking=True)
    pieces = client.stream("long story", model="m")
    assert "line 1" in next(pieces) + next(pieces) and time.monotonic() - start < 1
    pieces.close()
    row = {"custom_id": "row-1", "method": "POST", "url": "/v4/chat/completions"}
    row["body"] = {"model": "m", "messages": MESSAGES}
    file = client.files.create(file=("in.jsonl", json.dumps(row).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v4/chat/completions")
    batch = client.batches.retrieve(batch.id)
    (result,) = map(json.loads, client.files.content(batch.output_file_id).text.splitlines())
    assert result["custom_id"] == "row-1"
    assert result["response"]["body"]["choices"][0]["message"]["content"] == "You said: Hi"
    list(thinker)
    assert thinker.completion.choices[0].message.content == "You said: Hi"
    assert time.monotonic() - start > 1.9
