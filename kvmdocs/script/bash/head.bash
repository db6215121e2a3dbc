set -o pipefail
exec < /dev/null

fail() {
  printf '%s\n' "$1" >&2
  exit 1
}

have=' '
while [ $# -gt 0 ]; do
  case $1 in
    --have) have+="${2:?name a recipe, or all} " && shift 2 ;;
    *) fail "usage: $0 [--have RECIPE]..." ;;
  esac
done

# due RECIPE ROLE DIGEST: begin a recipe in its own folder. Return 1 if it need not run: its ROLE is "input" (others build on
# it) and a script has run the same commands before (same DIGEST), or --have names it.
due() {
  local folder=$lab/$1 made=$lab/.made/$1
  if [[ $have == *" $1 "* || ($have == *' all '* && $2 == input) ]]; then
    [ -d "$folder" ] || fail "$1 was to be there already, and there is no $folder"
    echo "== $1: taken as it is"
    return 1
  fi
  if [ -e "$made" ]; then
    if [[ $2 == input && $(< "$made") == "$3" && -d $folder ]]; then
      echo "== $1: made before"
      return 1
    fi
    rm -rf "$folder"
  elif [ -e "$folder" ]; then
    fail "$folder is there and no script has made it: move it away, or use it with --have $1"
  fi
  echo "== $1"
  mkdir -p "$folder" "$lab/.made" && echo begun > "$made" && cd "$folder" || exit 1
}

# made RECIPE DIGEST: note that a recipe has run to its end.
made() {
  echo "$2" > "$lab/.made/$1"
}

# check EXPECTED STATUS WHAT: stop if a command's exit status is not the recorded one. If a recorded failure succeeds now, only
# warn.
check() {
  if [ "$1" -ne "$2" ] && [ "$2" -eq 0 ]; then
    echo "$3: exit status 0, when it was recorded $1" >&2
  elif [ "$1" -ne "$2" ]; then
    fail "$3: exit status $2, not $1"
  fi
}
