"""Runs inside a network namespace: carries loopback connections to the egress proxy.

Usage: ``relay.py SOCKET CREDENTIAL_VARIABLE COMMAND…``. Standard library only, Python 3.9 and up,
because it runs in the interpreter of the model. It grants nothing: whoever is in the namespace
could connect to the socket as well, and the proxy behind it decides. COMMAND keeps the descriptors
that were passed on.
"""

import os
import socket
import subprocess
import sys
import threading

_CHUNK_BYTES = 256 * 1024


def main(arguments: "list[str]") -> int:
    """Serve loopback connections while COMMAND runs; returns its exit status."""
    path, variable, command = arguments[0], arguments[1], arguments[2:]
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=_accept, args=(listener, path), daemon=True).start()
    environment = dict(os.environ)
    credential = environment.pop(variable)
    address = f"http://{credential}@127.0.0.1:{listener.getsockname()[1]}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        environment[name] = environment[name.lower()] = address
    status = subprocess.call(command, env=environment, close_fds=False)
    return 128 - status if status < 0 else status  # as shells and sandboxes tell of a signal


def _accept(listener: socket.socket, path: str) -> None:
    while True:
        client, _ = listener.accept()
        try:
            threading.Thread(target=_serve, args=(client, path), daemon=True).start()
        except RuntimeError:  # there are as many processes and threads as there may be
            client.close()


def _serve(client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as upstream:
        try:
            upstream.connect(path)
            back = threading.Thread(target=_copy, args=(upstream, client), daemon=True)
            back.start()
            _copy(client, upstream)
            back.join()
        except (OSError, RuntimeError):  # the other side is gone, or no thread is to be had
            return


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while True:
            data = source.recv(_CHUNK_BYTES)
            if not data:
                break
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
