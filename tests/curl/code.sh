#!/bin/sh
# Walks the native face of code contexts with nothing but sh and curl. Usage: code.sh BASE_URL SCRATCH_FOLDER
# Prints one line a check: `ok NAME` or `not ok NAME: what came instead`.
G=$1
T=$2

ok() { echo "ok $1"; }
no() { printf 'not ok %s: %s\n' "$1" "$(printf %s "$2" | tr '\n' '~' | cut -c1-400)"; }

# is NAME EXPECTED ACTUAL: both the same
is() { if [ "$2" = "$3" ]; then ok "$1"; else no "$1" "$3"; fi; }
# has NAME PART TEXT: the text contains the part
has() { case $3 in *"$2"*) ok "$1" ;; *) no "$1" "$3" ;; esac; }

C="$G/v1/code/toy"

is "what a cell prints comes before its result" "a
42" "$(curl -sN "$C" --data-binary 'print a
result 42')"
is "the status is the last line when asked for" "1
finished ok" "$(curl -sN "$C?status=1" --data-binary 'result 1')"
has "an error is told in the text" "oops" "$(curl -sN "$C" --data-binary 'throw oops')"
curl -sN --raw "$C" --data-binary 'throw oops' >"$T/raw"
has "the cell's status is in the trailer" "Guestd-Status: error" "$(cat "$T/raw")"
has "a JSON answer has the results" '"results":[{"isMain":true,"data":{"text/plain":"7"}}],"error":null' \
  "$(curl -s -H 'Accept: application/json' "$C" --data-binary 'result 7')"
has "a JSON body takes variables" '"text/plain":"x y"' \
  "$(curl -s -H 'Accept: application/json' "$C" -H 'Content-Type: application/json' -d '{"code":"env A","envs":{"A":"x y"}}')"

# How long a context has been idle is different each time.
timeless() { sed 's/"idleMs":[0-9]*/"idleMs":0/'; }
made=$(curl -s "$G/v1/contexts" -H 'Content-Type: application/json' -d '{"language":"toy","cwd":"/tmp"}' | timeless)
id=$(printf %s "$made" | sed 's/.*"id":"\([^"]*\)".*/\1/')
has "a context is created" '"language":"toy","cwd":"/tmp","cells":0,' "$made"
has "it is listed" "$id" "$(curl -s "$G/v1/contexts")"
is "it is shown" "$made" "$(curl -s "$G/v1/contexts/$id" | timeless)"
curl -s "$C?context=$id" --data-binary 'set a 1' >/dev/null
is "it keeps its state" "1" "$(curl -s "$C?context=$id" --data-binary 'get a')"
is "a restart answers with it" "$made" "$(curl -s -X POST "$G/v1/contexts/$id/restart" | timeless)"
has "an interrupt of an idle one has nothing to do" '"outcome":"finished"' "$(curl -s -X POST "$G/v1/contexts/$id/interrupt")"
is "it is removed" "$made" "$(curl -s -X DELETE "$G/v1/contexts/$id" | timeless)"
has "then it is a problem of 404" '"status":404' "$(curl -s "$G/v1/contexts/$id")"
is "an unknown language is 404" "404" "$(curl -s -o /dev/null -w '%{http_code}' "$G/v1/code/none" --data-binary 1)"
is "no code is 400" "400" "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$C")"
