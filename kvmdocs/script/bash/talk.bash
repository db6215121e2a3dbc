# Seconds without output after which a program counts as hung.
limit=600

pipes=
mark=
said=
declare -A mouth ear

# open_talk NAME COMMAND...: start a program that reads from one pipe and writes to another.
open_talk() {
  local to from
  pipes=${pipes:-$(mktemp -d)} || exit 1
  mkfifo "$pipes/$1.to" "$pipes/$1.from" || exit 1
  "${@:2}" < "$pipes/$1.to" > "$pipes/$1.from" 2>&1 &
  pid[$1]=$!
  pids+=("$!")
  # Opened for reading and writing: opening does not block, and writing after the program's end does not raise SIGPIPE.
  exec {to}<> "$pipes/$1.to" {from}< "$pipes/$1.from"
  rm "$pipes/$1.to" "$pipes/$1.from"
  mouth[$1]=$to ear[$1]=$from
}

# say NAME TEXT: send a line to a program.
say() {
  printf '%s\n' "$2" >&"${mouth[$1]}"
}

# new_mark: set $mark to a random text that marks the end of the next answer.
new_mark() {
  mark=$(od -A n -N 8 -t x1 /dev/urandom | tr -d ' \n')
}

# hear NAME MARK: print an answer up to its mark, and set $said to the text after the mark.
hear() {
  local line last='' lines=0
  while IFS= read -r -t "$limit" -u "${ear[$1]}" line; do
    ((lines++)) || line=${line#'(gdb) '}
    if [[ $line == *"$2"* ]]; then
      said=${line#*"$2"}
      line=${line%%"$2"*}
      while [[ $line == *'(gdb) ' ]]; do line=${line%'(gdb) '}; done
      [ "$lines" -lt 2 ] || [ -z "$last$line" ] || printf '%s\n' "$last"
      [ -z "$line" ] || printf '%s\n' "$line"
      return
    fi
    [ "$lines" -lt 2 ] || printf '%s\n' "$last"
    last=$line
  done
  printf '%s\n' "$last"
  fail "$1 does not answer"
}
