# Connects a unix socket to standard input and output.
bridge='
import os, select, socket, sys, time

end = socket.socket(socket.AF_UNIX)
for tries in range(100):
    if end.connect_ex(sys.argv[1]) == 0:
        break
    time.sleep(0.1)
while True:
    for one in select.select([0, end], [], [])[0]:
        data = os.read(one if one == 0 else one.fileno(), 65536)
        if not data:
            sys.exit()
        os.write(1, data) if one != 0 else end.sendall(data)
'

# machine NAME COMMAND...: start a virtual machine.
machine() {
  rm -f "$1".{console,shell,qmp,pid,gdb}
  start "$@"
}

# ready NAME shell|try|monitor SECONDS: wait until the monitor answers; with "shell" also until the guest has a shell; with
# "try" until it has a shell, the machine has ended or the time is over, whichever comes first.
ready() {
  local tries=$((10 * $3))
  until [ -S "$1.qmp" ] || ! alive "$1" || ((tries-- <= 0)); do sleep 0.1; done
  if [ -S "$1.qmp" ] && alive "$1"; then
    open_talk "$1.qmp" python3 -c "$bridge" "$1.qmp"
    [ "$2" = try ] || ask "$1" '{"execute": "qmp_capabilities"}'
  fi
  until [ "$2" = monitor ] || grep -aqs 'guest: ready' "$1.console" || ! alive "$1" || ((tries-- <= 0)); do sleep 0.1; done
  [ "$2" != try ] || return 0
  if ! alive "$1" || [ "$tries" -lt 0 ]; then
    fail "the machine $1 is not ready: $(tail -n 5 "$1.console" 2> /dev/null)"
  fi
  [ "$2" != shell ] || open_talk "$1.shell" python3 -c "$bridge" "$1.shell"
}

# ask MACHINE JSON: send a command to a machine's QMP monitor; the answer is in $said.
ask() {
  new_mark
  say "$1.qmp" "${2%\}}, \"id\": \"$mark\"}"
  while IFS= read -r -t "$limit" -u "${ear[$1.qmp]}" said; do
    # A monitor also sends events between its answers.
    [[ $said == *"\"id\": \"$mark\""* ]] || continue
    said=${said/", \"id\": \"$mark\""/}
    said=${said/"\"id\": \"$mark\", "/}
    said=${said%$'\r'}
    return
  done
  fail "the monitor of $1 does not answer"
}

# qmp MACHINE return|error JSON: send a QMP command and print it with its answer, which must be of that kind.
qmp() {
  printf -- '-> %s\n' "$3"
  ask "$1" "$3"
  printf '<- %s\n' "$said"
  [[ $said == "{\"$2\":"* ]] || fail "$1 does not answer with \"$2\""
}

# hmp MACHINE COMMAND: send a command of the human monitor and print it with its answer.
hmp() {
  local text=${2//\\/\\\\}
  printf '(qemu) %s\n' "$2"
  ask "$1" "{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"${text//\"/\\\"}\"}}"
  [[ $said == '{"return": "'* ]] || fail "$1 answers $said"
  text=${said#'{"return": "'}
  text=${text%'"}'}
  text=${text//\\r/}
  printf '%b' "${text//\\\"/\"}"
}

# guest MACHINE STATUS COMMAND: run a command in a guest's shell; $background is the id of its last background process.
guest() {
  local text=${3//\\/\\\\} status
  text=${text//$'\n'/\\n}
  printf 'guest# %s\n' "$3"
  new_mark
  # The guest's shell takes each line as one command. The output is printed between two marks.
  say "$1.shell" "echo $mark+; eval \"\$(printf %b '${text//"'"/"'\\''"}')\" < /dev/null; printf '\\n$mark: %s %s\\n' \$? \"\$!\""
  hear "$1.shell" "$mark+" > /dev/null
  hear "$1.shell" "$mark: "
  # shellcheck disable=SC2034  # used by scripts that name the guest's process later
  read -r status background <<< "$said"
  check "$2" "$status" "in the guest of $1: $3"
}

# stop MACHINE: tell QEMU to quit, and kill it if it does not.
stop() {
  if alive "$1" && [ -n "${ear[$1.qmp]-}" ]; then
    say "$1.qmp" '{"execute": "quit"}'
    gone 10 "${pid[$1]}"
  fi
  kill_off "${pid[$1]}"
}

# powered_off MACHINE: wait until a guest has powered off its machine.
powered_off() {
  gone "$limit" "${pid[$1]}" || fail "the machine $1 does not end"
}
