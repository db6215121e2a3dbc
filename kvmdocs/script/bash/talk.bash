# Seconds without a word after which whoever was asked is given up.
limit=600

pipes=
mark=
said=
declare -A mouth ear

# open_talk NAME COMMAND...: start a program that is told things through one pipe and answers through another.
open_talk() {
  local to from
  pipes=${pipes:-$(mktemp -d)} || exit 1
  mkfifo "$pipes/$1.to" "$pipes/$1.from" || exit 1
  "${@:2}" < "$pipes/$1.to" > "$pipes/$1.from" 2>&1 &
  pid[$1]=$!
  pids+=("$!")
  # Open for both, so that this does not wait, and what is told to nobody kills nobody.
  exec {to}<> "$pipes/$1.to" {from}< "$pipes/$1.from"
  rm "$pipes/$1.to" "$pipes/$1.from"
  mouth[$1]=$to ear[$1]=$from
}

# say NAME TEXT
say() {
  printf '%s\n' "$2" >&"${mouth[$1]}"
}

# new_mark: what ends the next answer; nobody can guess it.
new_mark() {
  mark=$(od -A n -N 8 -t x1 /dev/urandom | tr -d ' \n')
}

# hear NAME MARK: print an answer up to its mark; what stands behind the mark is in $said then.
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
