"""awa by its own Python client, for awa.ts: one JSON command a line on stdin, one JSON answer a line on stdout."""

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from time import perf_counter

import awa

QUEUE = "images"
# Without a start for so long, something is lost.
STUCK_S = 120


@dataclass
class Image:
    user_id: str
    prompt: str
    model: str
    width: int
    height: int
    style: str


class Bench:
    def __init__(self, url: str, connections: int) -> None:
        self.url = url
        self.client = awa.AsyncClient(url, max_connections=connections)
        self.runtime: awa.AsyncClient | None = None
        self.started: list[tuple[int, str]] = []
        self.changed = asyncio.Event()
        self.halting = False

    async def install(self) -> None:
        """The tables, and one start of workers, which turns its present storage on."""
        await self.client.migrate()
        await self.start(workers=1, claim=1)
        await self.client.resume_queue(QUEUE)
        await self.stop()

    async def enqueue(self, jobs: list[dict], tomorrow: bool) -> None:
        images = [Image(**job) for job in jobs]
        options = {"queue": QUEUE}
        if tomorrow:
            options |= {"run_at": datetime.now(timezone.utc) + timedelta(days=1), "priority": 1}
        if len(images) == 1:
            await self.client.insert(images[0], **options)
        else:
            await self.client.enqueue_many_copy(images, **options)

    async def start(self, workers: int, claim: int) -> None:
        """Workers that are there and wait."""
        self.started = []
        self.runtime = awa.AsyncClient(self.url, max_connections=20)

        @self.runtime.task(Image, queue=QUEUE)
        async def handle(job) -> None:
            self.started.append((job.id, job.args.user_id))
            self.changed.set()

        await self.client.pause_queue(QUEUE)
        await self.runtime.start([{"name": QUEUE, "max_workers": workers, "claim_batch_size": claim}])

    async def stop(self) -> None:
        if self.runtime:
            await self.runtime.shutdown(10_000)
            await self.runtime.close()
            self.runtime = None

    async def drain(self, count: int, tell) -> list[tuple[int, str]]:
        """At least `count` jobs: what has been claimed when it pauses is completed, too, here or in the next drain."""
        told = 0
        await self.client.resume_queue(QUEUE)
        while len(self.started) < count:
            await self.next_start()
            if len(self.started) - told >= 100:
                tell(len(self.started) - told)
                told = len(self.started)
        await self.client.pause_queue(QUEUE)
        await self.idle()
        tell(len(self.started) - told)
        # What was claimed and not begun runs after this: it is not forgotten.
        started, self.started = self.started, []
        return started

    async def follow(self, tell) -> None:
        """Works on whatever comes until it is told to halt."""
        self.started = []
        self.halting = False
        await self.client.resume_queue(QUEUE)
        while not self.halting:
            self.changed.clear()
            await self.changed.wait()
            started, self.started = self.started, []
            tell(started)
        await self.client.pause_queue(QUEUE)
        await self.idle()
        tell(self.started)

    async def halt(self) -> None:
        self.halting = True
        self.changed.set()

    async def idle(self) -> None:
        while True:
            health = await self.runtime.health_check()
            if health.queues[QUEUE].in_flight == 0:
                return
            await asyncio.sleep(0.002)

    async def latencies(self, times: int, job: dict) -> list[float]:
        await self.client.resume_queue(QUEUE)
        samples = []
        for _ in range(times):
            self.started = []
            begun = perf_counter()
            await self.client.insert(Image(**job), queue=QUEUE)
            while not self.started:
                await self.next_start()
            samples.append((perf_counter() - begun) * 1000)
            await self.idle()
        await self.client.pause_queue(QUEUE)
        return samples

    async def next_start(self) -> None:
        self.changed.clear()
        try:
            await asyncio.wait_for(self.changed.wait(), STUCK_S)
        except TimeoutError:
            queue = (await self.runtime.health_check()).queues[QUEUE]
            raise RuntimeError(
                f"no job for {STUCK_S} s after {len(self.started)}; {queue.in_flight} run, {queue.available} wait"
            ) from None


async def main() -> None:
    bench = Bench(sys.argv[1], int(sys.argv[2]))
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)

    def say(answer: dict) -> None:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    async def obey(command: dict) -> None:
        number = command.pop("id")
        name = command.pop("do")
        try:
            if name in ("drain", "follow"):
                command["tell"] = lambda news: say({"id": number, "told": news})
            say({"id": number, "done": await getattr(bench, name)(**command)})
        except Exception as error:
            say({"id": number, "failed": f"{type(error).__name__}: {error}"})

    running = set()
    while line := await commands.readline():
        task = asyncio.create_task(obey(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    await bench.stop()
    await bench.client.close()


asyncio.run(main())
