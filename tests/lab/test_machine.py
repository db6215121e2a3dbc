from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from kvmdocs.core.errors import CommandFailed, LabFailed, TimedOut
from kvmdocs.core.model import Where
from kvmdocs.lab import Gdb, Guest, Machine, boots_under, build_initramfs, console, machine


def commands(sh, where):
    return [step.command for step in sh.steps() if step.where is where]


def faulty(sh, qemu, guest, fault, **more):
    return Machine(sh, qemu, guest, args=("-fault", fault), **{"boot_timeout": 60.0, **more})


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_gone(pid):
    deadline = time.monotonic() + 10
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return gone(pid)


# -- a fake QEMU ----------------------------------------------------------------------------------------------------


def test_what_is_asked_and_answered_becomes_steps(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest) as vm:
        pid = vm.pid
        assert vm.qmp("query-status") == {"status": "running"}
        assert vm.hmp("info status") == "one\ntwo\n"
        assert vm.guest("echo hello; echo there >&2") == "hello\nthere\n"
    steps = {step.where: step for step in sh.steps()}
    assert steps[Where.QMP].command == '{"execute": "query-status"}'
    assert steps[Where.QMP].output.text == '{\n  "return": {\n    "status": "running"\n  }\n}\n'
    assert (steps[Where.HMP].command, steps[Where.HMP].output.text) == ("info status", "one\ntwo\n")
    assert (steps[Where.GUEST].output.text, steps[Where.GUEST].status) == ("hello\nthere\n", 0)
    assert steps[sh.where].status == 0
    assert gone(pid)


def test_the_command_line_is_shown_as_it_ran(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest, disk="1M", append="quiet", firmware=("/firmware",)) as vm:
        ran = psutil.Process(vm.pid).cmdline()[2:]  # after the interpreter and the script
        shown = next(step for step in sh.steps() if step.background).command
        assert (sh.workspace / "vm.img").stat().st_size == 1 << 20
    words = [word.strip("'") for line in shown.splitlines()[1:] for word in line.removesuffix("\\").strip().split(" ", 1)]
    assert [sh.readable(word) for word in ran] == words
    assert "-name vm,debug-threads=on" in shown
    assert "console=ttyS0 panic=-1 no_timer_check quiet" in shown
    assert "-L /firmware" in shown


def test_emulation_is_noted(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest, accel="kvm"):
        pass
    assert not sh.emulated
    with Machine(sh, fake_qemu, no_guest):
        pass
    assert sh.emulated


def test_a_guest_command_that_fails(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest) as vm:
        assert vm.guest("echo no; (exit 3)", ok=(0, 3)) == "no\n"
        with pytest.raises(CommandFailed) as failed:
            vm.guest("echo no; (exit 3)")
    assert (failed.value.evidence.status, failed.value.evidence.tail) == (3, "no")


def test_what_the_kernel_said_while_a_guest_command_failed_is_told(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest) as vm, pytest.raises(CommandFailed) as failed:
        vm.guest(f"echo 'BUG: kernel NULL pointer dereference' >>{vm.console.log}; echo Killed; (exit 137)")
    assert failed.value.evidence.tail.splitlines()[0] == "Killed"
    assert "BUG: kernel NULL pointer dereference" in failed.value.evidence.tail


def test_a_new_disk_is_new_on_a_second_start_as_well(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest, disk="1M"):
        (sh.workspace / "vm.img").write_bytes(b"old")
    with Machine(sh, fake_qemu, no_guest, disk="1M"):
        assert (sh.workspace / "vm.img").read_bytes() == bytes(1 << 20)


def test_a_shell_keeps_its_state_and_takes_several_lines(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest) as vm:
        vm.guest("cd /; x='a b'")
        assert vm.guest("pwd\necho \"$x\" 'it'\\''s'") == "/\na b it's\n"
        assert vm.guest("cat") == ""  # it has no input and so does not read the next command
        assert vm.guest("printf no-newline") == "no-newline"


def test_a_guest_command_goes_on_in_the_background(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest) as vm:
        pid = vm.guest_start("sleep 600")
        assert not gone(pid)
        vm.guest(f"kill {pid}")
        assert wait_gone(pid)
    assert commands(sh, Where.GUEST)[0] == "sleep 600 >/dev/null 2>&1 &"


def test_a_guest_shell_that_ends_is_noticed(sh, fake_qemu, no_guest, monkeypatch):
    monkeypatch.setattr(console, "INTERRUPT_GRACE", 0.2)
    with Machine(sh, fake_qemu, no_guest) as vm, pytest.raises(LabFailed, match="serial port"):
        vm.guest("kill $$")


def test_a_command_too_long_for_a_terminal_is_refused(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest) as vm, pytest.raises(LabFailed, match="4000 bytes"):
        vm.guest(f"echo {'x' * 4000}")


def test_qemu_refuses(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest) as vm, pytest.raises(LabFailed, match="The command nosuch has not been found"):
        vm.qmp("nosuch")
    step = next(step for step in sh.steps() if step.where is Where.QMP)
    assert '"class": "CommandNotFound"' in step.output.text


def test_qemu_dies_at_once(sh, fake_qemu, no_guest):
    with pytest.raises(LabFailed, match="exit 1") as died, faulty(sh, fake_qemu, no_guest, "dies"):
        pass
    assert died.value.evidence.status == 1
    assert "could not load PC BIOS" in died.value.evidence.tail


@pytest.mark.parametrize(
    ("fault", "what"), [("never", "machine monitor"), ("mute", "greeting"), ("silent", "the guest was not ready within 4 s")]
)
def test_nothing_comes_in_time(sh, fake_qemu, no_guest, fault, what):
    began = time.monotonic()
    with pytest.raises(TimedOut, match=what), faulty(sh, fake_qemu, no_guest, fault, boot_timeout=4.0):
        pass
    assert 4 <= time.monotonic() - began < 20
    assert not sh.workspace.joinpath("vm.console").exists() or fault == "silent"


def test_a_panic_is_noticed_at_once(sh, fake_qemu, no_guest):
    began = time.monotonic()
    with (
        pytest.raises(LabFailed, match="no working init found") as panicked,
        faulty(sh, fake_qemu, no_guest, "panic", boot_timeout=60),
    ):
        pass
    assert time.monotonic() - began < 30
    assert panicked.value.evidence.tail.splitlines()[:2] == ["booting", "Kernel panic - not syncing: no working init found."]


def test_qemu_does_not_answer(sh, fake_qemu, no_guest, monkeypatch):
    monkeypatch.setattr(machine, "QUIT_TIMEOUT", 0.2)
    with faulty(sh, fake_qemu, no_guest, "deaf") as vm:
        pid = vm.pid
        with pytest.raises(TimedOut, match="query-status"):
            vm.qmp("query-status", timeout=0.2)
    assert gone(pid)


def test_a_qemu_that_will_not_quit_is_killed(sh, fake_qemu, no_guest, monkeypatch):
    monkeypatch.setattr(machine, "QUIT_TIMEOUT", 0.2)
    with faulty(sh, fake_qemu, no_guest, "stubborn") as vm:
        pid = vm.pid
    assert gone(pid)
    assert sh.steps()[0].status == -signal.SIGKILL


def test_a_qemu_that_was_killed_fails_the_recipe(sh, fake_qemu, no_guest):
    def recipe():
        with Machine(sh, fake_qemu, no_guest) as vm:
            os.kill(vm.pid, signal.SIGKILL)
            assert wait_gone(vm.pid)

    with pytest.raises(LabFailed, match="killed by SIGKILL"):
        recipe()


def test_the_recipes_own_error_is_not_hidden(sh, fake_qemu, no_guest):
    def recipe():
        with Machine(sh, fake_qemu, no_guest) as vm:
            os.kill(vm.pid, signal.SIGKILL)
            raise AssertionError("mine")

    with pytest.raises(AssertionError, match="mine"):
        recipe()


def test_outside_its_with_a_machine_is_an_error(sh, fake_qemu, no_guest):
    with pytest.raises(LabFailed, match="outside its `with`"):
        Machine(sh, fake_qemu, no_guest).qmp("query-status")


def test_nothing_listens_beyond_the_workspace(sh, fake_qemu, no_guest):
    with Machine(sh, fake_qemu, no_guest, gdbstub=True) as vm:
        words = psutil.Process(vm.pid).cmdline()
    assert not [word for word in words if "tcp:" in word or word in {"-s", "-vnc", "-spice"}]
    assert f"unix:{vm.gdbstub},server=on,wait=off" in words


def test_killing_the_recipe_kills_qemu_and_gdb(tmp_path, fake_qemu, fake_gdb):
    script = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from kvmdocs.lab import Gdb, Guest, Machine
        from kvmdocs.core.paths import PathDisplay
        from kvmdocs.recording.shell import Shell
        sh = Shell(Path({str(tmp_path)!r}), PathDisplay(Path({str(tmp_path)!r})), Path({str(tmp_path)!r}))
        with Machine(sh, {str(fake_qemu)!r}, Guest(Path("k"), Path("i"))) as vm, \\
                Gdb(sh, pid=vm.pid, program_name={str(fake_gdb)!r}) as gdb:
            print(vm.pid, gdb.pid, flush=True)
            gdb("continue")
        """
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as recipe:
        assert recipe.stdout is not None
        pids = [int(word) for word in recipe.stdout.readline().split()]
        assert len(pids) == 2
        assert not any(gone(pid) for pid in pids)
        recipe.kill()
    assert all(wait_gone(pid) for pid in pids)


# -- a real QEMU ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_guest_boots_and_writes_to_its_disk(sh, qemu, guest):
    with Machine(sh, qemu, guest, disk="16M") as vm:
        assert vm.guest("uname -s") == "Linux\n"
        vm.guest("echo kvmdocs | dd of=/dev/vda conv=fsync 2>/dev/null")
        assert {cpu["thread-id"] for cpu in vm.qmp("query-cpus-fast")} < {int(t.id) for t in psutil.Process(vm.pid).threads()}
        assert "virtio-blk" in vm.hmp("info qtree")
    assert (sh.workspace / "vm.img").read_bytes().startswith(b"kvmdocs\n")
    assert "guest: ready" in vm.console.text


@pytest.mark.slow
def test_a_guest_command_that_hangs_gets_ctrl_c(sh, qemu, guest):
    with Machine(sh, qemu, guest) as vm:
        with pytest.raises(TimedOut) as late:
            vm.guest("echo begun; sleep 600", timeout=2)
        assert late.value.evidence.tail == "begun"
        assert vm.guest("echo again") == "again\n"


@pytest.mark.slow
def test_kernel_messages_do_not_reach_a_commands_output(sh, qemu, guest):
    with Machine(sh, qemu, guest) as vm:
        printed = vm.guest("for i in 1 2 3 4 5; do echo line $i; echo '<1>noise' >/dev/kmsg; done")
        vm.console.wait_for("noise", 10)
    assert printed == "".join(f"line {number}\n" for number in range(1, 6))


@pytest.mark.slow
def test_a_process_that_ends_while_a_command_is_typed(sh, qemu, guest):
    """The signal of its end interrupts the shell, which must not lose the part of the next command that it has read."""
    with Machine(sh, qemu, guest) as vm:
        for delay in range(0, 20000, 250):
            vm.guest_start(f"usleep {delay}")
            assert vm.guest(f"echo {'x' * 1500}", timeout=20) == f"{'x' * 1500}\n"


@pytest.mark.slow
def test_a_command_is_taken_as_it_is(sh, qemu, guest):
    with Machine(sh, qemu, guest) as vm:
        assert vm.guest("printf %s 'a\x04\x08\x15\x16\x17\x7fb' | od -An -tx1").split() == [
            "61",
            "04",
            "08",
            "15",
            "16",
            "17",
            "7f",
            "62",
        ]


@pytest.mark.slow
def test_a_guest_that_powers_off_by_itself(sh, qemu, guest):
    init = "#!/bin/sh\n/bin/busybox echo done so far\n/bin/busybox poweroff -f\n"
    mute = Guest(guest.kernel, build_initramfs(sh, init=init, name="mute"))
    with Machine(sh, qemu, mute, shell=False) as vm:
        assert vm.console.wait_for("done so far", 60)
        assert vm.wait_exit(60) == 0


@pytest.mark.slow
def test_a_real_panic(sh, qemu, guest):
    with (
        pytest.raises(LabFailed, match="Kernel panic - not syncing"),
        Machine(sh, qemu, guest, append="rdinit=/nosuch", boot_timeout=60),
    ):
        pass


@pytest.mark.slow
def test_boots_under_tells_what_works(sh, qemu, guest):
    assert boots_under(sh, qemu, guest, "tcg", 120) == (True, "max")
    boots, why = boots_under(sh, qemu, guest, "nosuch", 5)
    assert not boots
    assert why.startswith("-cpu max: QEMU ended")
    assert "nosuch" in why, "QEMU's own last words are not told"


@pytest.mark.slow
def test_gdb_attaches_and_the_guest_goes_on(sh, qemu, guest):
    with Machine(sh, qemu, guest, gdbstub=True) as vm:
        with Gdb(sh, pid=vm.pid) as gdb:
            assert '"CPU 0/TCG"' in gdb("info threads")
            with pytest.raises(TimedOut, match="interrupted"):
                gdb("continue", timeout=0.5)
            assert "print" not in gdb("print 6 * 7")
        assert vm.guest("echo on") == "on\n"
        with Gdb(sh, remote=vm.gdbstub) as gdb:
            assert "rip" in gdb("info registers rip")
        assert vm.guest("echo on") == "on\n"


def test_a_socket_is_reached_through_its_folder(sh):
    from kvmdocs.lab.waiting import connect

    assert len(str(sh.workspace / "s")) > 108
    assert connect(sh.workspace, "s") is None
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(sh.workspace, os.O_PATH)
        server.bind(f"/proc/self/fd/{folder}/s")
        os.close(folder)
        server.listen()
        with connect(sh.workspace, "s") as client:
            assert client.fileno() > 0
