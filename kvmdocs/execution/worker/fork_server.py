"""The nursery: a process of a build that has imported what every worker needs, and forks keepers, each of which forks its worker.

It is run as ``python -m kvmdocs.execution.worker.fork_server SOCKET`` when a build starts its first recipe, and ends with the build: what it imports takes a third of a second, which each worker
would otherwise spend anew. No module of recipes is imported here, since what that does may depend on the environment, which each recipe has its own of. One
build has one nursery, so none runs code that was edited since.

It is told of a job by one message on its socket, with four file descriptors: the lifeline, the pipe for events, the log, and what of the task may be secret. It answers with a message that has the
keeper's pidfd with it, and sends another one when the keeper has ended, with its exit status.
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
from kvmdocs.execution.worker.protocol import FILES, LARGEST, InheritedFds, StartRequest


class ForkServer:
    """The loop of the process.

    Args:
        to_build: The socket on which the build says what to start.
    """

    def __init__(self, to_build: socket.socket) -> None:
        self._build = to_build
        self._selector = selectors.DefaultSelector()
        self._selector.register(to_build, selectors.EVENT_READ)
        self._numbers: dict[int, tuple[int, int]] = {}

    def serve(self) -> tuple[StartRequest, InheritedFds] | None:
        """Start keepers until the build is gone.

        Returns:
            In a keeper that was just forked, what it has to keep; None in the nursery when the build is gone.
        """
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._build:
                    self._ended(int(key.fd))
                    continue
                try:
                    data, files, _, _ = socket.recv_fds(self._build, LARGEST, FILES, socket.MSG_CMSG_CLOEXEC)
                except ConnectionError:
                    return None
                if not data:
                    return None
                job, held = StartRequest(**json.loads(data)), InheritedFds(*files)
                if self._forked(job, held):
                    return job, held
                held.close()

    def _forked(self, job: StartRequest, files: InheritedFds) -> bool:
        """Fork a keeper. True in the keeper, which has nothing of the nursery left but what it imported."""
        pid = os.fork()
        if pid == 0:
            self._selector.close()
            self._build.close()
            for pidfd in self._numbers:
                os.close(pidfd)
            os.setsid()
            os.dup2(files.log, 1)
            os.dup2(files.log, 2)
            os.close(files.log)
            return True
        pidfd = os.pidfd_open(pid)
        self._numbers[pidfd] = (job.number, pid)
        self._selector.register(pidfd, selectors.EVENT_READ)
        socket.send_fds(self._build, [json.dumps({"number": job.number}).encode()], [pidfd])
        return False

    def _ended(self, pidfd: int) -> None:
        """Tell the build of a keeper's end."""
        number, pid = self._numbers.pop(pidfd)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        try:
            self._build.send(json.dumps({"number": number, "status": os.waitstatus_to_exitcode(status)}).encode())
        except ConnectionError:
            return  # the build is gone, which the next look at the socket tells


def main() -> None:
    """Be the nursery, and in its descendants a keeper or a worker."""
    supervisor.set_process_name("kvmdocs-nursery")
    # What there is now stays for good: a worker's collector of garbage need not look at it, which would copy its pages.
    gc.collect()
    gc.freeze()
    kept = ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve()
    if kept is None:
        return
    run_child(*kept)


def run_child(job: StartRequest, files: InheritedFds) -> NoReturn:
    """Be a keeper, and in the process that it forks its worker."""
    pid = supervisor.start()
    if pid:
        os.close(files.events)
        os.close(files.private)
        status = supervisor.supervise(
            pid, files.lifeline, job.seconds, supervisor.MemoryWatchdog(pid, job.memory, os.path.dirname(job.task))
        )
        os._exit(status)
    os.close(files.lifeline)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 1
    try:
        status = worker.work(job.task, files.events, files.private)
    except Exception:  # noqa: BLE001  # whatever it is, the run's log tells it
        traceback.print_exc()
    finally:
        # What a recipe wants done at the end is done; taking all modules apart as well would take longer than most recipes.
        atexit._run_exitfuncs()
        # A recipe may have closed or replaced them; its record is written.
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
