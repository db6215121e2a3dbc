# debugger NAME COMMAND...: start gdb, and keep it for what it is told later.
debugger() {
  open_talk "$@"
  new_mark
  say "$1" "set width 96"
  say "$1" "echo $mark\\n"
  hear "$1" "$mark"
}

# gdb_do NAME COMMAND: tell gdb something; its answer ends where it echoes a mark.
gdb_do() {
  printf '(gdb) %s\n' "$2"
  new_mark
  say "$1" "$2"
  say "$1" "echo $mark\\n"
  hear "$1" "$mark"
}
