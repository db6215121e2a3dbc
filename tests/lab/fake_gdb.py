"""A fake gdb on a pipe; its commands select the fault."""

import os
import signal
import sys
import time


def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()


if os.environ.get("FAKE_GDB") == "denied":
    say("Attaching to process 1\nCould not attach to process.\nptrace: Operation not permitted.\n")
if os.environ.get("FAKE_GDB") == "absent":
    say("ptrace: No such process.\n")
say("(gdb) ")
for line in sys.stdin:
    command = line.rstrip("\n")
    try:
        if command.startswith("echo "):
            say(command.removeprefix("echo ").removesuffix("\\n") + "\n")
        elif command == "continue":
            say("Continuing.\n")
            time.sleep(600)
        elif command == "hang":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            say("begun\n")
            time.sleep(600)
        elif command == "die":
            say("a problem internal to GDB\n")
            os._exit(1)
        elif command:
            say(f"(gdb) {command}\n(gdb) ")
    except KeyboardInterrupt:
        say("received signal SIGINT\n")
    say("(gdb) ")
