pids=()
declare -A pid

# start NAME COMMAND...: start a background process.
start() {
  "${@:2}" &
  pid[$1]=$!
  pids+=("$!")
}

# alive NAME: check whether a background process runs.
alive() {
  kill -0 "${pid[$1]}" 2> /dev/null
}

# gone SECONDS PROCESS...: wait until processes have ended; return 1 if they have not.
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

# kill_off PROCESS...: end processes by SIGTERM, after 5 s by SIGKILL.
kill_off() {
  kill "$@" 2> /dev/null
  gone 5 "$@" || kill -KILL "$@" 2> /dev/null
  wait "$@" 2> /dev/null
}

# end: end all processes that a recipe started, also when it fails.
end() {
  [ "${#pids[@]}" -eq 0 ] || kill_off "${pids[@]}"
  [ -z "${pipes-}" ] || rm -rf "$pipes"
}
