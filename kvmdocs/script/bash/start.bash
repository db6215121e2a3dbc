pids=()
declare -A pid

# start NAME COMMAND...: start what goes on while the script does.
start() {
  "${@:2}" &
  pid[$1]=$!
  pids+=("$!")
}

# alive NAME
alive() {
  kill -0 "${pid[$1]}" 2> /dev/null
}

# gone SECONDS PROCESS...: wait until processes have ended.
gone() {
  local one tries
  for ((tries = 10 * $1; tries > 0; tries--)); do
    for one in "${@:2}"; do
      kill -0 "$one" 2> /dev/null && sleep 0.1 && continue 2
    done
    return 0
  done
  return 1
}

# kill_off PROCESS...: end processes, kindly at first.
kill_off() {
  kill "$@" 2> /dev/null
  gone 5 "$@" || kill -KILL "$@" 2> /dev/null
  wait "$@" 2> /dev/null
}

# end: with a recipe ends all that it started, also when it fails.
end() {
  [ "${#pids[@]}" -eq 0 ] || kill_off "${pids[@]}"
  [ -z "${pipes-}" ] || rm -rf "$pipes"
}
