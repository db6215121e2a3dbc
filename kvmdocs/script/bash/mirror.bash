# mirror SUITES COMPONENTS KEYRING: print the address from which this host's apt gets one of these suites with one of these
# components, signed with that keyring; print nothing if there is no such entry. Reads both formats of sources.list(5), in apt's
# order. APT_ETC names another folder than /etc/apt.
mirror() {
  local etc=${APT_ETC:-/etc/apt} LC_ALL=C files=() file
  for file in "$etc/sources.list" "$etc"/sources.list.d/*; do
    # apt ignores files with other names.
    [[ -f $file && ${file##*/} =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*\.(list|sources)$ ]] && files+=("$file")
  done
  [ "${#files[@]}" -eq 0 ] || awk -v suites="$1" -v components="$2" -v keyring="$3" '
    function shared(one, other, words, count, at) {
      gsub(/[ \t\n]+/, " ", other)
      count = split(one, words)
      for (at = 1; at <= count; at++) if (index(" " other " ", " " words[at] " ")) return 1
      return 0
    }
    function stem(path) { sub(/.*\//, "", path); sub(/\.[a-z]+$/, "", path); return path }
    function entry(uris, given, parts, key) {
      split(uris, address)
      if (found || address[1] !~ /^[a-z+]+:/ || address[1] ~ /^cdrom:/ || !shared(suites, given) || !shared(components, parts)) return
      if (key != "" && keyring != "" && stem(key) != stem(keyring)) return
      found = 1
      sub(/\/+$/, "", address[1])
      print address[1]
    }
    function block() {
      if (shared("deb deb-src", field["types"]) && field["enabled"] !~ /^(no|false|without|off|disable|0)$/)
        entry(field["uris"], field["suites"], field["components"], field["signed-by"])
      split("", field)
    }
    FNR == 1 { block(); fields = FILENAME ~ /\.sources$/ }
    fields && /^#/ { next }
    fields && /^[ \t]*$/ { block(); next }
    fields && /^[ \t]/ { field[name] = field[name] " " $0; next }
    fields {
      name = tolower($0); sub(/:.*/, "", name)
      value = $0; sub(/^[^:]*:[ \t]*/, "", value); sub(/[ \t]+$/, "", value)
      field[name] = value
      next
    }
    {
      key = ""
      sub(/#.*/, "")
      if (match($0, /\[[^]]*\]/)) {
        if (match($0, /signed-by=[^] \t]*/)) key = substr($0, RSTART + 10, RLENGTH - 10)
        sub(/\[[^]]*\]/, " ")
      }
      count = split($0, words)
      if (words[1] != "deb" && words[1] != "deb-src") next
      parts = ""
      for (at = 4; at <= count; at++) parts = parts " " words[at]
      entry(words[2], words[3], parts, key)
    }
    END { block() }
  ' "${files[@]}"
}
