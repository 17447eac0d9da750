"""Reads an event stream with httpx-sse and prints each event, and each comment that goes by, as a line of JSON."""

import json
import os
import sys

import httpx
from httpx_sse import EventSource


class Watched:
    """A response that tells of comments; httpx-sse reads its text as ever."""

    def __init__(self, response):
        self._response = response
        self.headers = response.headers

    def __getattr__(self, name):
        return getattr(self._response, name)

    def iter_text(self):
        for text in self._response.iter_text():
            if any(line.startswith(":") for line in text.split("\n")):
                print(json.dumps({"comment": True}), flush=True)
            yield text


headers = {"accept": "text/event-stream", **json.loads(os.environ["HEADERS"])}
with httpx.Client(timeout=None, trust_env=False) as client:
    with client.stream("GET", sys.argv[1], headers=headers) as response:
        for one in EventSource(Watched(response)).iter_sse():
            print(json.dumps({"event": one.event, "data": one.data, "id": one.id, "retry": one.retry}), flush=True)
