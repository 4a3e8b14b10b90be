"""An application on a real port of this machine, for as long as a test needs it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

DEADLINE = 20.0


@contextlib.contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The base address of the running application."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    give_up = time.monotonic() + DEADLINE
    while not server.started:
        if time.monotonic() > give_up or not thread.is_alive():
            raise TimeoutError(f"the application did not start within {DEADLINE:.0f} s")
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        listener.close()
