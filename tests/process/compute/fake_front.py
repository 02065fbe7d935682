"""Stands in for the inference server: obeys `env` of its configuration.

PLAY=ready | loading | crash | stubborn; CHILD=1 also starts a process that outlives signals,
FORKS=n as many as it can have of n. It is parked and woken by signals unless PLAY=wakeful;
PLAY=sound does not wake. It leaves totals when it is parked, others when it is told to end, and
none with PLAY=wakeful.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

with open(sys.argv[sys.argv.index("--config") + 1], "rb") as file:
    config = json.load(file)
play = config["env"].get("PLAY", "ready")
sys.stdout.write(f"front says {play} {sorted(os.environ)}\n")
with open(config["directory"] + "/model-inference.log", "a") as log:
    log.writelines(f"line {n} of {play}\n" for n in range(100))
if play == "crash":
    sys.exit(3)
if play == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
parked = Path(config["directory"], "parked")
totals = Path(config["directory"], "totals.json")


def park(*_: object) -> None:
    """Leave totals, then be parked."""
    totals.write_text("counted 1\n")
    parked.touch()


def end(*_: object) -> None:
    """Leave totals, then end."""
    totals.write_text("counted 2\n")
    sys.exit(0)


if play not in ("wakeful", "stubborn"):
    signal.signal(signal.SIGTERM, end)
if play != "wakeful":
    signal.signal(signal.SIGUSR1, park)
if play != "sound":
    signal.signal(signal.SIGUSR2, lambda *_: parked.unlink())
if config["env"].get("CHILD"):
    subprocess.Popen(["sleep", "600"])
if config["env"].get("EAT"):
    eaten = bytearray(os.urandom(1024)) * (int(config["env"]["EAT"]) * 1024)
if config["env"].get("FORKS"):
    time.sleep(0.5)  # it is put into its group after it was started
    had = 0
    for _ in range(int(config["env"]["FORKS"])):
        try:
            child = os.fork()
        except OSError:
            break
        if child == 0:
            time.sleep(600)
        had += 1
    print("forks:", had, flush=True)
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
    server.bind(config["socket"])
    server.listen()
    while True:
        peer, _ = server.accept()
        with peer:
            peer.recv(65536)
            ready = play != "loading"
            start = {"parked": False, "listening": 1.0, "loaded": 2.0, "ready": 3.0}
            said = {"workers": 3, "workers_ready": 2, "failure": "", "start": start}
            body = json.dumps(said).encode()
            status = b"200 OK" if ready else b"503 Service Unavailable"
            head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            peer.sendall(head + body)
