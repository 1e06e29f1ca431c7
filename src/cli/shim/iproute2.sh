# What the shims have in common; ip and tc source it.

# Whether a batch file may have a line with a word. stdin and what is no plain file can be read only once: they may.
batch_may_have() { # WORD FILE
  [ "$2" = - ] && return 0
  [ -f "$2" ] || { [ -e "$2" ]; return; }
  # grep ends with 1 when it has read all of the file and found nothing
  grep -q "$1" <"$2" 2>/dev/null
  [ $? -ne 1 ]
}

# Sets real to the first program of a name on PATH that is no shim of vethd's, or to the one that exec found.
find_real() { # NAME FOUND-BY-EXEC
  real=$2
  set -f
  IFS=:
  for folder in ${PATH-}; do
    [ "$folder" != "${VETHD_SHIM-}" ] && [ -f "${folder:=.}/$1" ] && [ -x "$folder/$1" ] || continue
    [ "$folder/$1" -ef "$0" ] && continue
    real=$folder/$1
    break
  done
  unset IFS
  if [ -z "$real" ]; then
    echo "vethctl: $1: not found: iproute2 is not installed, or not on PATH" >&2
    exit 127
  fi
}
