"""A headless Chromium, spoken to over its DevTools pipe: file descriptor 3 takes and 4 gives JSON ending in a zero byte."""

import fcntl
import json
import os
import select
import shutil
import signal
import time

NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"]


class Browser:
    """Of one page. Messages that nobody waits for are kept in `events`."""

    def __init__(self, path, profile, seconds=60):
        self.seconds = seconds
        self.events = []
        self._received = b""
        self._last = 0
        self._session = None
        child_reads, self._to = self._pipe()
        self._from, child_writes = self._pipe()
        # The default font and no GPU: the same pictures on every machine. Root may not use the sandbox.
        words = [path, "--headless", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions", "--disable-background-networking",
                 "--hide-scrollbars", "about:blank"]
        quiet = os.open(os.path.join(profile, "browser.log"), os.O_WRONLY | os.O_CREAT, 0o600)
        # The log first: its descriptor here may be 3 or 4.
        actions = [(os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, quiet, 2),
                   (os.POSIX_SPAWN_DUP2, child_reads, 3), (os.POSIX_SPAWN_DUP2, child_writes, 4)]
        self._process = os.posix_spawn(path, words, os.environ, file_actions=actions, setpgroup=0)
        for descriptor in (child_reads, child_writes, quiet):
            os.close(descriptor)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    @staticmethod
    def _pipe():
        """Ends above 9, so that the child's 3 and 4 are free."""
        ends = []
        for end in os.pipe():
            ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10))
            os.close(end)
        return ends

    def _receive(self, deadline):
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no answer from the browser in {self.seconds} s")
            part = os.read(self._from, 1 << 20)
            if not part:
                raise EOFError("the browser has ended")
            self._received += part
        message, self._received = self._received.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data):]
        deadline = time.monotonic() + self.seconds
        while True:
            answer = self._receive(deadline)
            if answer.get("id") != self._last:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def wait_for(self, event):
        deadline = time.monotonic() + self.seconds
        while not any(one.get("method") == event for one in self.events):
            self.events.append(self._receive(deadline))

    def evaluate(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def close(self):
        try:
            os.killpg(self._process, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self._process, 0)
        os.close(self._to)
        os.close(self._from)


def browser_path():
    return next((path for path in map(shutil.which, NAMES) if path), None)
