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

# due RECIPE WHAT DIGEST: begin a recipe in a folder of its own. It is not begun when others build on it (WHAT is "input") and a
# script has made it with the very same commands, or when --have says that it is there.
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

# made RECIPE DIGEST: remember that a recipe has come to its end.
made() {
  echo "$2" > "$lab/.made/$1"
}

# check WANTED STATUS WHAT: stop when a command did not end as it did when it was recorded. What went well then must go well now.
check() {
  if [ "$1" -ne "$2" ] && [ "$2" -eq 0 ]; then
    echo "$3: exit status 0, when it was recorded $1" >&2
  elif [ "$1" -ne "$2" ]; then
    fail "$3: exit status $2, not $1"
  fi
}
