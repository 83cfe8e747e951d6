"""The address at which the page is served: is it free, does it answer."""

import errno
import socket

from chatproject.places import reachable, written
from chatproject.run.errors import CannotRun


def check_free(host: str, port: int) -> None:
    """Fail with a sentence when the page cannot be served at this address."""
    problem = _problem(host, port)
    if problem is None:
        return
    if problem == errno.EADDRINUSE:
        other = next((n for n in range(port + 1, min(port + 100, 65536)) if _problem(host, n) is None), 8001)
        raise CannotRun(f"Port {port} of {host} is taken by another program. Choose another one: PORT={other} make run")
    if problem in (errno.EACCES, errno.EPERM):
        raise CannotRun(f"Port {port} is reserved for the administrator. Choose another one: PORT=8000 make run")
    raise CannotRun(f"HOST={host} is not an address of this machine. Choose another one: HOST=127.0.0.1 make run")


def free_port() -> int:
    """A port of the loopback interface that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answers(host: str, port: int) -> bool:
    """Whether a web server answers there, whatever it says (behind https it redirects us)."""
    request = f"GET /healthz HTTP/1.0\r\nHost: {written(reachable(host))}:{port}\r\n\r\n"
    try:
        with socket.create_connection((reachable(host), port), timeout=0.3) as connection:
            connection.settimeout(2)
            connection.sendall(request.encode())
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def _problem(host: str, port: int) -> int | None:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(place)
            server.listen(1)
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return None
