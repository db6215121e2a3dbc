"""A fake QEMU; the argument after ``-fault`` selects the fault."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SHELL = 'echo "guest: a new shell"; while read -r line; do eval "$line"; done'


def options(name):
    return [value for option, value in zip(sys.argv, sys.argv[1:], strict=False) if option == name]


def listen(option):
    server = socket.socket(socket.AF_UNIX)
    server.bind(option.removeprefix("unix:").partition(",")[0])
    server.listen()
    return server


def answer(fault, command):
    if fault == "deaf" and command == "query-status":
        time.sleep(600)
    if command == "nosuch":
        return {"error": {"class": "CommandNotFound", "desc": "The command nosuch has not been found"}}
    replies = {"query-status": {"status": "running"}, "human-monitor-command": "one\r\ntwo\r\n"}
    return {"return": replies.get(command, {})}


def messages(connection):
    """Yield the client's messages; only the JSON itself shows where one ends (qemu.qmp sends no newline)."""
    pending = ""
    while chunk := connection.recv(1 << 16):
        pending += chunk.decode()
        while pending.strip():
            try:
                message, end = json.JSONDecoder().raw_decode(pending.lstrip())
            except ValueError:
                break
            pending = pending.lstrip()[end:]
            yield message


def monitor(connection, fault):
    def send(message):
        connection.sendall(json.dumps(message).encode() + b"\r\n")

    version = {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}
    send({"QMP": {"version": version, "capabilities": []}})
    for message in messages(connection):
        told = {"id": message["id"]} if "id" in message else {}
        send({**answer(fault, message["execute"]), **told})
        if message["execute"] == "quit" and fault != "stubborn":
            return


def main():
    fault = (options("-fault") or [""])[0]
    if fault == "dies":
        sys.exit("fake-qemu: -fault: could not load PC BIOS")
    if fault == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if fault == "never":
        time.sleep(600)
    console = Path(options("-serial")[0].removeprefix("file:"))
    qmp, serial = listen(options("-qmp")[0]), listen(options("-serial")[1])
    connection = qmp.accept()[0]
    if fault == "mute":
        time.sleep(600)
    if fault == "panic":
        console.write_text("booting\r\nKernel panic - not syncing: no working init found.\r\n")
    elif fault != "silent":
        console.write_text("booting\r\n<1>guest: ready\r\n")
    if os.fork() == 0:
        connection.close()
        terminal = serial.accept()[0]
        subprocess.run(["sh", "-c", SHELL], stdin=terminal, stdout=terminal, stderr=terminal, check=False)
        os._exit(0)
    monitor(connection, fault)
    while fault == "stubborn":
        time.sleep(600)


main()
