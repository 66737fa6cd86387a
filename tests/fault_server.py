"""A chat server on 127.0.0.1 that answers by rule, counts what it is asked, and fails to order.

``python -m tests.fault_server PORT`` runs it as a process of its own, to be killed and started
again; it prints its port (0: any free one), and ends by itself after a while.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LIVES_S = 300
LABELS = "ABCDE"
WINDOW_WORDS = (
    "This model's maximum context length is {window} tokens. However, your prompt contains {n} "
    "input tokens, which exceeds this limit even without any output tokens. Please reduce the "
    "length of the input prompt."
)


def prompt_of(body):
    """One text for the messages of a request: what its answer depends on."""
    return "\n".join(f"{one['role']}: {one['content']}" for one in body["messages"])


def digest(text):
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def reply_to(prompt):
    """The words that are said to a prompt: they hold what was said last, in any language."""
    return f"[{digest(prompt)}] You wrote: {prompt.splitlines()[-1][:200]}"


def probs_of(prompt):
    """Probabilities of the five labels, as the server gives them: they sum to less than 1."""
    seed = hashlib.blake2b(prompt.encode(), digest_size=5).digest()
    weights = [1 + byte for byte in seed]
    return [0.9 * weight / sum(weights) for weight in weights]


class FaultServer(ThreadingHTTPServer):
    """Answers every chat, but for what it is told.

    ``fault``: called with the prompt and how often it was asked (from 1); gives the name of a
    fault (see ``_Handler``) or None. The rest are properties of the server: ``window`` in
    characters, what it does not know, the label it ``prefers``, and the number of requests it is
    ``silent_after``. ``bodies``: the requests, in order; ``at``: when each came; ``asked``: by
    prompt; ``most_at_once``: of requests under way.
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, port=0, fault=lambda prompt, nth: None):
        super().__init__(("127.0.0.1", port), _Handler)
        self.fault = fault
        self.window = None
        self.system_role = self.logprobs = self.max_tokens = True
        self.key = self.prefers = None
        self.pause_s = 0.0
        self.retry_after = "0"
        self.log = self.silent_after = None
        self.bodies, self.at, self.asked = [], [], Counter()
        self.most_at_once = self.under_way = 0
        self.freed = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.freed.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that has gone is no news."""

    def takes(self, body):
        prompt = prompt_of(body)
        with self._lock:
            self.bodies.append(body)
            self.at.append(time.monotonic())
            self.asked[prompt] += 1
            self.under_way += 1
            self.most_at_once = max(self.most_at_once, self.under_way)
            if self.log:
                with self.log.open("a") as file:
                    file.write(f"{digest(prompt)}\n")
            return prompt, self.asked[prompt], len(self.bodies)

    def gives(self):
        with self._lock:
            self.under_way -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultServer

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt, nth, number = self.server.takes(body)
        silent = self.server.silent_after is not None and number > self.server.silent_after
        try:
            time.sleep(self.server.pause_s)
            self._answer(body, prompt, "silent" if silent else self.server.fault(prompt, nth))
        finally:
            self.server.gives()

    def _answer(self, body, prompt, fault):
        server = self.server
        if server.key and self.headers["Authorization"] != f"Bearer {server.key}":
            # But for its end, which the real ones hide.
            given = self.headers["Authorization"][:-4]
            return self._error(401, f"Incorrect API key provided: {given}****")
        if fault and fault.isdigit():
            # The key too: what a server says of us must not end up where others read it.
            words = f"fault {fault} for {self.headers['Authorization']}"
            return self._error(int(fault), words, {"Retry-After": server.retry_after})
        if fault and fault[:3].isdigit():
            return self._error(int(fault[:3]), fault[4:])
        if fault == "not_http":
            return self._raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        if fault == "hang_up":
            return self._raw(b"")
        if fault == "silent":
            server.freed.wait(LIVES_S)
            return self._raw(b"")
        if fault == "trickle":
            return self._trickle()
        if fault == "garbage":
            return self._send(200, b"<html>\xff\xfe bad gateway", {"Content-Type": "text/html"})
        if fault == "shape":
            return self._send(200, {"id": "x", "choices": [{"text": "an older kind of answer"}]})
        if fault == "error_as_200":
            return self._send(200, {"error": {"message": "overloaded", "code": 502}})
        if server.window and len(prompt) > server.window:
            return self._error(400, WINDOW_WORDS.format(window=server.window, n=len(prompt)))
        if not server.system_role and body["messages"][0]["role"] == "system":
            return self._error(400, "System role not supported")
        if not server.max_tokens and "max_tokens" in body:
            return self._error(400, "'max_tokens' is not known; use 'max_completion_tokens'")
        if server.logprobs == "refused" and "logprobs" in body:
            return self._error(400, "logprobs are not supported by this model")
        answer = self._completion(body, prompt, fault)
        if fault == "half":
            whole = json.dumps(answer).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(whole)}\r\n\r\n".encode()
            return self._raw(head + whole[: len(whole) // 2])
        if fault == "reset":
            # What is sent is there to be read before the connection is torn down.
            self._raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            time.sleep(0.2)
            at_once = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            return self.connection.close()
        if fault == "huge":
            return self._send(200, json.dumps(answer).encode() + b" " * 10_000_000)
        return self._send(200, answer)

    def _completion(self, body, prompt, fault):
        choosing = _one_token(body)
        probs = probs_of(prompt)
        if self.server.prefers:
            probs = [0.8 if label == self.server.prefers else 0.02 for label in LABELS]
        words = LABELS[probs.index(max(probs))] if choosing else reply_to(prompt)
        if fault in ("empty", "null"):
            words = {"empty": "", "null": None}[fault]
        if fault == "surrogate":
            words = "half a pair: \ud83d"
        if fault and fault.startswith("says "):
            words = fault[5:]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": words},
            "finish_reason": "length" if fault == "length" or choosing else "stop",
        }
        if body.get("logprobs") and self.server.logprobs is True and fault != "other_tokens":
            others = {"\n": 0.04, "As": 0.02, "Each": 0.02}
            top = [{"token": token, "logprob": math.log(p)} for token, p in others.items()]
            # A part of each label's weight is under the same label after a space.
            for n, (label, p) in enumerate(zip(LABELS, probs, strict=True), start=1):
                shares = {label: p * (1 - n / 10), f" {label}": p * n / 10}
                top += [{"token": t, "logprob": math.log(q)} for t, q in shares.items()]
            if fault == "without_e":
                top = [one for one in top if one["token"].strip() != "E"]
            choice["logprobs"] = {"content": [{"token": words, "top_logprobs": top}]}
        if fault == "other_tokens":
            choice["message"]["content"] = "Well"
            top = [{"token": "Well", "logprob": 0.0}, {"token": "As", "logprob": None}]
            choice["logprobs"] = {"content": [{"token": "Well", "top_logprobs": top[:1]}]}
        usage = {
            "prompt_tokens": len(prompt),
            "completion_tokens": len(words or ""),
            "prompt_tokens_details": {"cached_tokens": len(prompt) // 2},
        }
        return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}

    def _error(self, status, words, headers=None):
        self._send(status, {"error": {"message": words, "type": "error"}}, headers)

    def _send(self, status, content, headers=None):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        # In one piece: two would wait for each other.
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + content)

    def _raw(self, content):
        self.wfile.write(content)
        self.close_connection = True

    def _trickle(self):
        """Never silent for long, and never done."""
        self._raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not self.server.freed.wait(0.05):
            self.wfile.write(b" ")


def _one_token(body):
    return 1 in (body.get("max_tokens"), body.get("max_completion_tokens"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--log", type=Path, help="a line for each request: digest of its prompt")
    parser.add_argument("--silent-after", type=int, help="answers no more after so many requests")
    options = parser.parse_args()
    server = FaultServer(options.port)
    server.log, server.silent_after = options.log, options.silent_after
    timer = threading.Timer(LIVES_S, os._exit, (0,))
    timer.daemon = True
    timer.start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
