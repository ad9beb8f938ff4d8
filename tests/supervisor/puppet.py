"""A process that speaks like a worker process and does what its target says; it boots in a moment, because it imports nothing.

Its target is a list such as "boot=0.1,jobs=5": boot (seconds; never, crash), ends (an exit code, once ready), cut (it ends
without a word), jobs (that it has done), mb (of memory), turned (seconds), drain (seconds), restart, told, deaf (hears no
SIGTERM), silent (once ready), program (it starts one), away (no database).
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time


def main() -> int:
    what = dict(part.partition("=")[::2] for part in sys.argv[1].split(","))
    fd = int(sys.argv[2])
    status: dict[str, object] = {"state": "booting", "worker": None, "connected": "away" not in what}
    held = bytearray(int(what.get("mb", 0)) * 1_000_000)
    held[::4096] = b"x" * len(held[::4096])
    if "away" in what:
        status["worker"] = "00000000-0000-0000-0000-000000000001"

    def say(**more: object) -> None:
        status.update(more)
        os.write(fd, f"{json.dumps(status)}\n".encode())

    def obey() -> None:
        for line in sys.stdin:
            if line.strip() == "drain":
                say(state="draining")
                time.sleep(float(what.get("drain", 0)))
                os._exit(0)
        os._exit(9)  # nobody is there any more

    def stopped(number: int, frame: object) -> None:
        if "deaf" not in what:
            os._exit(0)

    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGUSR1, lambda number, frame: print("stacks of", os.getpid(), file=sys.stderr, flush=True))
    say()
    sys.stdin.readline()
    threading.Thread(target=obey, daemon=True).start()
    boot = what.get("boot", "0")
    if boot == "crash":
        say(state="draining", last_error="ValueError('no such table')")
        return 1
    if boot == "never" or "away" in what:
        say()
        time.sleep(600)
    time.sleep(float(boot))
    say(state="ready", worker=f"00000000-0000-0000-0000-{os.getpid():012}", connected=True, done=int(what.get("jobs", 0)))
    if "program" in what:
        subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
    say(turned=float(what.get("turned", 0)), running=[7])
    if "ends" in what:
        if "cut" not in what:
            say(state="draining", drained="told" in what, restart="restart" in what)
        return int(what["ends"])
    while True:
        time.sleep(0.05)
        if "silent" not in what:
            say()


if __name__ == "__main__":
    sys.exit(main())
