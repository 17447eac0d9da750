#!/usr/bin/env python3
"""Makes a picture over plain HTTP and saves it, with Python 3.9 or newer and no package.

With npm start running in another terminal:
    source .local/env.sh && python3 examples/python/picture.py "a red fox in the snow"
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

ENDS = ("completed", "failed", "cancelled")


def setting(name):
    """A variable of the environment."""
    return os.environ.get(name) or sys.exit(f"{name} is not set. While npm start runs: source .local/env.sh")


def call(method, url, headers, body=None, attempts=4):
    """The JSON that comes back. What may succeed later is sent again: lost connections, 429, and 502 or higher."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
    for attempt in range(1, attempts + 1):
        pause = 2**attempt / 2
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            problem = error.read().decode(errors="replace")
            may_succeed = error.code == 429 or error.code > 501
            if not may_succeed or attempt == attempts:
                sys.exit(f"{method} {url} answered {error.code}: {problem}")
            asked = error.headers.get("Retry-After", "")
            pause = max(pause, int(asked)) if asked.isdigit() else pause
        except OSError as error:
            if attempt == attempts:
                sys.exit(f"{method} {url}: {error}")
        if pause > 60:
            sys.exit(f"{method} {url}: the server asks for a pause of {pause} s")
        time.sleep(pause)


def main():
    prompt = sys.argv[1] if len(sys.argv) > 1 else "a lighthouse at dawn"
    pictures = setting("START_GENERATION_URL")
    session = call(
        "POST",
        f"{setting('LOCAL_SUPABASE_URL')}/auth/v1/signup",
        {"apikey": setting("LOCAL_PUBLISHABLE_KEY")},
        {"email": f"me-{uuid.uuid4()}@example.com", "password": "a-long-password"},
    )
    token = {"Authorization": f"Bearer {session['access_token']}"}

    # With the same key it may be sent again after a lost connection: there is one picture all the same.
    started = call(
        "POST",
        f"{pictures}/start-generation",
        {**token, "Idempotency-Key": str(uuid.uuid4())},
        {"prompt": prompt, "model_id": "black-forest-labs/flux-schnell"},
    )

    shown, pause = None, 0.5
    while True:
        generation = call("GET", f"{pictures}/generations/{started['generation_id']}", token)
        state = f"{generation['status']} {generation['progress']} %"
        if state != shown:
            print(state, flush=True)
            shown, pause = state, 0.5
        if generation["status"] in ENDS:
            break
        time.sleep(pause)
        pause = min(pause * 1.4, 5)

    if generation["status"] != "completed":
        sys.exit((generation["error"] or {}).get("message") or f"It was {generation['status']}.")
    for number, image in enumerate(generation["images"], 1):
        name = f"picture-{number}.{image['format']}"
        with urllib.request.urlopen(image["url"], timeout=60) as response, open(name, "wb") as file:
            file.write(response.read())
        print(name)


if __name__ == "__main__":
    main()
