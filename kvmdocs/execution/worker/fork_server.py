"""Fork server: a process of a build that has imported what every worker needs. It forks supervisors, and each forks its worker.

The build runs it as ``python -m kvmdocs.execution.worker.fork_server FD`` when it starts its first recipe, and it ends with the
build. The imports take a third of a second, which each worker would otherwise spend again. It imports no module of recipes:
what such a module does may depend on the environment, and each recipe has its own. Every build has its own fork server, so none
runs code that was edited since.

A start request is one message on its socket with four file descriptors: the lifeline, the pipe for events, the log, and the
private part of the task. The reply carries the supervisor's pidfd. A second message, with the exit status, follows when the
supervisor ends.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from typing import NoReturn

from kvmdocs.execution.worker import main as worker
from kvmdocs.execution.worker import supervisor
from kvmdocs.execution.worker.protocol import FD_COUNT, MAX_MESSAGE, InheritedFds, StartRequest


class ForkServer:
    """Main loop of the process.

    Args:
        connection: Socket on which the build sends start requests.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        self._supervisors: dict[int, tuple[int, int]] = {}  # request number and process id, by pidfd

    def serve(self) -> tuple[StartRequest, InheritedFds] | None:
        """Start supervisors until the build is gone.

        Returns:
            In a new supervisor its request and file descriptors; in the fork server None, when the build is gone.
        """
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._connection:
                    self._report_end(int(key.fd))
                    continue
                try:
                    data, fds, _, _ = socket.recv_fds(self._connection, MAX_MESSAGE, FD_COUNT, socket.MSG_CMSG_CLOEXEC)
                except ConnectionError:
                    return None
                if not data:
                    return None
                request, files = StartRequest(**json.loads(data)), InheritedFds(*fds)
                if self._fork(request, files):
                    return request, files
                files.close()

    def _fork(self, request: StartRequest, files: InheritedFds) -> bool:
        """Fork a supervisor. Return True in the supervisor, with the fork server's file descriptors closed."""
        pid = os.fork()
        if pid == 0:
            self._selector.close()
            self._connection.close()
            for pidfd in self._supervisors:
                os.close(pidfd)
            os.setsid()
            os.dup2(files.log, 1)
            os.dup2(files.log, 2)
            os.close(files.log)
            return True
        pidfd = os.pidfd_open(pid)
        self._supervisors[pidfd] = (request.number, pid)
        self._selector.register(pidfd, selectors.EVENT_READ)
        socket.send_fds(self._connection, [json.dumps({"number": request.number}).encode()], [pidfd])
        return False

    def _report_end(self, pidfd: int) -> None:
        """Send the exit status of a supervisor to the build."""
        number, pid = self._supervisors.pop(pidfd)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        # If the build is gone, the next read from the socket shows it.
        with contextlib.suppress(ConnectionError):
            self._connection.send(json.dumps({"number": number, "status": os.waitstatus_to_exitcode(status)}).encode())


def main() -> None:
    """Run the fork server, and in its descendants the supervisor or the worker."""
    supervisor.set_process_name("kvmdocs-forksrv")
    # Present objects live until the end. Frozen, they are not scanned by a worker's GC, which would copy their memory pages.
    gc.collect()
    gc.freeze()
    forked = ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve()
    if forked is not None:
        run_child(*forked)


def run_child(request: StartRequest, files: InheritedFds) -> NoReturn:
    """Run the supervisor, and in the process that it forks the worker."""
    pid = supervisor.fork_worker()
    if pid:
        os.close(files.events)
        os.close(files.private)
        watchdog = supervisor.MemoryWatchdog(pid, request.memory, os.path.dirname(request.task))
        os._exit(supervisor.supervise(pid, files.lifeline, request.seconds, watchdog))
    os.close(files.lifeline)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 1
    try:
        status = worker.work(request.task, files.events, files.private)
    except Exception:  # noqa: BLE001  # whatever it is, the run's log shows it
        traceback.print_exc()
    finally:
        # Run the recipe's exit functions, but do not finalize the interpreter: that would take longer than most recipes.
        atexit._run_exitfuncs()
        # A recipe may have closed or replaced its streams; its record is already written.
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
