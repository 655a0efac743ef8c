"""Kills a command in the middle of its work: told by what it has written, not by the clock, so that a machine that is
busy with something else does not let it end first."""
import subprocess
import time


def kill_at(command, done, target, delay):
    """Starts command and kills it (SIGKILL) `delay` seconds after done() has come to target, or lets it end before
    that. done: how many pieces of work are on disk. Returns how many the kill left."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while done() < target and child.poll() is None:
        time.sleep(0.001)
    time.sleep(delay)
    child.kill()
    child.wait()
    return done()
