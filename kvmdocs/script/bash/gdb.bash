# debugger NAME COMMAND...: start gdb; gdb_do types commands into it later.
debugger() {
  open_talk "$@"
  new_mark
  say "$1" "set width 96"
  say "$1" "echo $mark\\n"
  hear "$1" "$mark"
}

# gdb_do NAME COMMAND: type a command into gdb. Its answer ends where gdb echoes the mark.
gdb_do() {
  printf '(gdb) %s\n' "$2"
  new_mark
  say "$1" "$2"
  say "$1" "echo $mark\\n"
  hear "$1" "$mark"
}
