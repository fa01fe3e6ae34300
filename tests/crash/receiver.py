"""A webhook receiver of one thread: keeps opened incidents by id, fails a share of the requests."""
import asyncio
import json
import random
import threading


class Receiver:
    def __init__(self, seed, failures=0.0):
        self.opened, self.requests, self.refused = {}, 0, 0
        self.tellings = {}  # how often each message came
        self.holds, self.held = False, 0  # keeps answers back; how many
        self.chance, self.failures = random.Random(seed), failures
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        started.wait()

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 20))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        started.set()
        self.loop.run_forever()

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = await reader.readexactly(int(fields["content-length"]))
                self.held += 1
                while self.holds:
                    await asyncio.sleep(0.01)
                self.held -= 1
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n"
                             % self.take(fields["webhook-id"], body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def take(self, message_id, body):
        """Refuses before or, what is harder, after it has noted the message."""
        self.requests += 1
        self.tellings[message_id] = self.tellings.get(message_id, 0) + 1
        luck = self.chance.random()
        if luck < self.failures / 2:
            self.refused += 1
            return 503
        message = json.loads(body)
        if message["type"] == "incident.opened":
            told = self.opened.setdefault(message["data"]["id"], {})
            told[message_id] = message["data"]["root_cause"]["entity"]
        if luck < self.failures:
            self.refused += 1
            return 503
        return 200

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
