"""The code of a model that wants to get something out: it does what it is asked, and answers.

Questions are files `ask-<n>.json` in its work folder, answers `answer-<n>.json`.
"""

import base64
import json
import os
import socket
import time
import urllib.request
from urllib.parse import urlsplit

KEPT: "dict[str, socket.socket]" = {}


def tcp(host: str, port: int) -> str:
    socket.create_connection((host, port), 2).sendall(b"secret")
    return "connected"


def udp(host: str, port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(1)
        channel.sendto(b"secret", (host, port))
        return channel.recv(10).decode()


def raw() -> int:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).fileno()


def abstract(name: str) -> str:
    with socket.socket(socket.AF_UNIX) as attacker:
        attacker.connect("\0" + name)
    return "connected"


def unix(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as attacker:
        attacker.connect(path)
    return "connected"


def dns(name: str) -> str:
    return str(socket.getaddrinfo(name, 443))


def fetch(address: str) -> str:
    with urllib.request.urlopen(address, timeout=5) as answer:
        return str(answer.read().decode())


def credential() -> str:
    proxy = urlsplit(os.environ["HTTPS_PROXY"])
    return f"{proxy.username}:{proxy.password}"


def tunnel(target: str, pair: "str | None" = None, keep: "str | None" = None) -> str:
    proxy = urlsplit(os.environ["HTTPS_PROXY"])
    pair = credential() if pair is None else pair
    head = f"CONNECT {target} HTTP/1.1\r\n"
    if pair:
        head += f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
    channel = socket.create_connection((proxy.hostname or "", proxy.port or 0), 5)
    channel.sendall((head + "\r\n").encode())
    answer = channel.recv(200).decode()
    if " 200 " not in answer.splitlines()[0]:
        channel.close()
        raise PermissionError(answer.splitlines()[0])
    if keep:
        KEPT[keep] = channel
    return "connected"


def kept(name: str) -> str:
    """Whether a tunnel is still open."""
    KEPT[name].settimeout(10)
    KEPT[name].sendall(b"ping")
    try:
        return KEPT[name].recv(10).decode()
    except ConnectionError:
        return ""


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def listdir(path: str) -> "list[str]":
    return sorted(os.listdir(path))


def variable(name: str) -> "str | None":
    return os.environ.get(name)


def serve() -> None:
    number = 0
    while True:
        try:
            with open(f"ask-{number}.json") as file:
                name, arguments = json.load(file)
        except (OSError, ValueError):
            time.sleep(0.02)
            continue
        if name == "end":
            return
        try:
            answer = {"result": globals()[name](*arguments)}
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the answer
            answer = {"error": type(error).__name__, "text": str(error)}
        with open("answer.tmp", "w") as file:
            json.dump(answer, file)
        os.rename("answer.tmp", f"answer-{number}.json")
        number += 1


serve()
