"""A scripted language model on loopback: it speaks the OpenAI and the Anthropic protocol, and does as its script says.

The real client code talks to it: what is scripted is only what a model would say. ``brain`` is a function from what was
asked to what is said; it may answer with tool calls, text, refusals, broken JSON, errors, silence or garbage.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request: who speaks (``protocol``), the whole body, how many answers the model has given in this talk."""

    protocol: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def turn(self) -> int:
        """How often the model has spoken in this conversation, from 0."""
        return sum(m.get("role") == "assistant" for m in self.body.get("messages", []))

    @property
    def text(self) -> str:
        """All that the model was told, tool results included."""
        told = [_flat(self.body.get("system", ""))]
        told += [_flat(m.get("content")) for m in self.body.get("messages", [])]
        return "\n".join(told)

    @property
    def last(self) -> str:
        """The latest message."""
        messages = self.body.get("messages", [])
        return _flat(messages[-1].get("content")) if messages else ""

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools on offer."""
        return tuple(t.get("name") or t.get("function", {}).get("name", "") for t in self.body.get("tools", []))


@dataclass(frozen=True)
class Calls:
    """Call tools: (name, arguments); arguments that are text are sent as they are, broken or not."""

    calls: tuple[tuple[str, Mapping[str, Any] | str], ...]
    input_tokens: int = 1_000
    output_tokens: int = 200


@dataclass(frozen=True)
class Text:
    """Say something in prose."""

    text: str


@dataclass(frozen=True)
class Refuse:
    """Refuse, in the way of the protocol."""

    why: str = "I cannot help with that."


@dataclass(frozen=True)
class Status:
    """An HTTP error."""

    code: int
    message: str = "scripted"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """Bytes with status 200, whatever they are; the connection is cut where ``cut``."""

    body: bytes
    cut: bool = False


@dataclass(frozen=True)
class Slow:
    """Say ``then`` after ``seconds``."""

    seconds: float
    then: Said


Said = Calls | Text | Refuse | Status | Raw | Slow
Brain = Callable[[Asked], Said]


def propose(**answer: Any) -> Calls:
    """Hand in proposals."""
    return Calls((("propose", answer),))


@dataclass
class Server:
    """Where the model is, and what it was asked."""

    url: str
    asked: list[Asked]

    def environment(self) -> dict[str, str]:
        """Variables by which each provider finds it."""
        return {
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "OPENAI_API_KEY": "sk-scripted-0123456789abcdefghij",
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "sk-ant-scripted-0123456789abcdefghij",
            "OLLAMA_BASE_URL": f"{self.url}/v1",
            "KNOWHY_LLM_BASE_URL": f"{self.url}/v1",
        }


@contextmanager
def serving(brain: Brain) -> Iterator[Server]:
    """Serve ``brain`` on a free port of 127.0.0.1."""
    asked: list[Asked] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            protocol = "anthropic" if self.path.split("?")[0].endswith("/messages") else "openai"
            request = Asked(protocol, body, dict(self.headers))
            with lock:
                asked.append(request)
            said = brain(request)
            while isinstance(said, Slow):
                time.sleep(said.seconds)
                said = said.then
            try:
                self._say(protocol, said, stream=bool(body.get("stream")), model=str(body.get("model", "")))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _say(self, protocol: str, said: Said, *, stream: bool, model: str) -> None:
            match said:
                case Status():
                    error = {"error": {"type": "scripted", "message": said.message}, "type": "error"}
                    self._send(said.code, json.dumps(error).encode(), headers=said.headers)
                case Raw():
                    self._send(200, said.body, cut=said.cut)
                case _ if protocol == "anthropic" and stream:
                    self._send(200, _anthropic_stream(said, model), kind="text/event-stream")
                case _ if protocol == "anthropic":
                    self._send(200, json.dumps(_anthropic(said, model)).encode())
                case _ if stream:
                    self._send(200, _openai_stream(said, model), kind="text/event-stream")
                case _:
                    self._send(200, json.dumps(_openai(said, model)).encode())

        def _send(
            self,
            code: int,
            body: bytes,
            *,
            kind: str = "application/json",
            headers: Mapping[str, str] | None = None,
            cut: bool = False,
        ) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) + (100 if cut else 0)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if cut:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_address[1]}", asked)
    finally:
        server.shutdown()
        server.server_close()


def _arguments(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _openai(said: Said, model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    finish, tokens = "stop", (1_000, 200)
    match said:
        case Calls():
            message["tool_calls"] = [
                {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": _arguments(args)}}
                for i, (name, args) in enumerate(said.calls)
            ]
            finish, tokens = "tool_calls", (said.input_tokens, said.output_tokens)
        case Text():
            message["content"] = said.text
        case Refuse():
            message["refusal"] = said.why
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
    }


def _openai_stream(said: Said, model: str) -> bytes:
    whole = _openai(said, model)
    message = whole["choices"][0]["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    for i, call in enumerate(message.get("tool_calls", [])):
        text = call["function"]["arguments"]
        deltas.append({"tool_calls": [{**call, "index": i, "function": {**call["function"], "arguments": ""}}]})
        deltas += [
            {"tool_calls": [{"index": i, "function": {"arguments": text[at : at + 120]}}]}
            for at in range(0, len(text), 120)
        ]
    for key in ("content", "refusal"):
        if message.get(key):
            deltas.append({key: message[key]})
    base = {k: whole[k] for k in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    chunks: list[dict[str, Any]] = [
        {**base, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas
    ]
    finish = whole["choices"][0]["finish_reason"]
    chunks.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    chunks.append({**base, "choices": [], "usage": whole["usage"]})
    return b"".join(f"data: {json.dumps(c)}\n\n".encode() for c in chunks) + b"data: [DONE]\n\n"


def _anthropic(said: Said, model: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    stop, tokens = "end_turn", (1_000, 200)
    match said:
        case Calls():
            content = [
                {"type": "tool_use", "id": f"toolu_{i}", "name": name, "input": args if isinstance(args, dict) else {}}
                for i, (name, args) in enumerate(said.calls)
            ]
            stop, tokens = "tool_use", (said.input_tokens, said.output_tokens)
        case Text():
            content = [{"type": "text", "text": said.text}]
        case Refuse():
            stop = "refusal"
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": tokens[0], "output_tokens": tokens[1]},
    }


def _anthropic_stream(said: Said, model: str) -> bytes:
    whole = _anthropic(said, model)
    texts = [_arguments(args) for _, args in said.calls] if isinstance(said, Calls) else []
    usage = whole["usage"]
    start = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for i, block in enumerate(whole["content"]):
        tool = block["type"] == "tool_use"
        empty = {**block, "input": {}} if tool else {**block, "text": ""}
        events.append({"type": "content_block_start", "index": i, "content_block": empty})
        text = texts[i] if tool else block["text"]
        for at in range(0, len(text), 120):
            part = text[at : at + 120]
            delta = {"type": "input_json_delta", "partial_json": part} if tool else {"type": "text_delta", "text": part}
            events.append({"type": "content_block_delta", "index": i, "delta": delta})
        events.append({"type": "content_block_stop", "index": i})
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": stop, "usage": usage})
    events.append({"type": "message_stop"})
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def _flat(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_flat(part) for part in content)
    if isinstance(content, dict):
        return _flat(content.get("text") or content.get("content") or "")
    return ""
