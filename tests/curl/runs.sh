#!/bin/sh
# Walks the native REST face with nothing but sh and curl. Usage: runs.sh BASE_URL SCRATCH_FOLDER
# Prints one line a check: `ok NAME` or `not ok NAME: what came instead`.
G=$1
T=$2

ok() { echo "ok $1"; }
no() { printf 'not ok %s: %s\n' "$1" "$(printf %s "$2" | tr '\n' '~' | cut -c1-400)"; }

# is NAME EXPECTED ACTUAL: both the same
is() { if [ "$2" = "$3" ]; then ok "$1"; else no "$1" "$3"; fi; }
# has NAME PART TEXT: the text contains the part
has() { case $3 in *"$2"*) ok "$1" ;; *) no "$1" "$3" ;; esac; }

is "the first page tells the most useful lines" "guestd" "$(curl -s "$G/" | head -c 6)"
has "info says what works here" '"processes":{"available":true' "$(curl -s "$G/v1/info")"

is "a command line streams its output" "hello" "$(curl -sN "$G/v1/run" --data-binary 'echo hello')"
is "output and errors come merged" "a
b" "$(curl -sN "$G/v1/run" --data-binary 'echo a; sleep 0.05; echo b >&2')"
curl -sN --raw "$G/v1/run" --data-binary 'exit 3' >"$T/raw"
has "the exit code is in the trailer" "Guestd-Exit-Code: 3" "$(cat "$T/raw")"
is "the exit code is the last line when asked for" "hi
exit code 3" "$(curl -sN "$G/v1/run?status=1" --data-binary 'printf hi; exit 3')"

json=$(curl -s -H 'Accept: application/json' "$G/v1/run" --data-binary 'exit 3')
has "a JSON answer has the ending" '"ending":"exited","exitCode":3,"signal":null,"stdout":"","stderr":"","usage":{"wallMs":' "$json"
has "usage is exact" '"source":"wait4"' "$json"
json=$(curl -s "$G/v1/run" --json '{"cmd":"/bin/sh","args":["-c","pwd; cat; echo $A"],"cwd":"/tmp","envs":{"A":"x y"},"timeoutMs":5000,"stdin":"input\n"}')
has "a program takes directory, variables and input" '"stdout":"/tmp\ninput\nx y\n"' "$json"
json=$(curl -s "$G/v1/run" --json '{"cmd":"sleep","args":["30"],"timeoutMs":100}')
has "a timeout is told as one, without an exit code" '"ending":"timeout","exitCode":null,"signal":"SIGTERM"' "$json"

run=$(curl -s "$G/v1/run" --json '{"cmd":"sh","args":["-c","echo one; echo two >&2; sleep 0.2; echo three"],"background":true}')
id=$(printf %s "$run" | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
has "a background start answers with the run" '"state":"running"' "$run"
is "a background start answers 202" "202" "$(curl -s -o /dev/null -w '%{http_code}' "$G/v1/run" --json '{"cmd":"true","background":true}')"
has "the list has it" "$id" "$(curl -s "$G/v1/runs")"
has "following its log ends with it" "three" "$(curl -sN "$G/v1/runs/$id/log?stream=stdout&offset=0&follow=1")"
is "its log can be read from an offset" "three" "$(curl -sN "$G/v1/runs/$id/log?stream=stdout&offset=4")"
is "each stream has its own" "two" "$(curl -sN "$G/v1/runs/$id/log?stream=stderr")"
has "waiting answers with the ending" '"ending":"exited","exitCode":0' "$(curl -s "$G/v1/runs/$id/wait?timeoutMs=1000")"
has "server-sent events carry a cursor" 'id: 8' "$(curl -sN -H 'Accept: text/event-stream' "$G/v1/runs/$id/log")"
has "and go on after it" '"text":"three\n"' "$(curl -sN -H 'Accept: text/event-stream' -H 'Last-Event-ID: 8' "$G/v1/runs/$id/log")"
has "lines of JSON are there too" '{"type":"output","stream":"stdout","offset":0,"text":"one\n"}' "$(curl -sN -H 'Accept: application/x-ndjson' "$G/v1/runs/$id/log")"
has "an offset in the future is refused" '"code":"invalid_argument"' "$(curl -s "$G/v1/runs/$id/log?stream=stdout&offset=999")"
has "it is forgotten when deleted" '"survivors":[]' "$(curl -s -X DELETE "$G/v1/runs/$id")"
is "and then not found" "404" "$(curl -s -o /dev/null -w '%{http_code}' "$G/v1/runs/$id")"

printf '1\n2\n3\n' >"$T/data.csv"
is "an upload is standard input" "3" "$(curl -s -T "$T/data.csv" "$G/v1/run?cmd=wc%20-l" | tr -d ' ')"

id=$(curl -s "$G/v1/run" --json '{"cmd":"cat","stdin":true,"background":true}' | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
has "input can come later" '"bytes":1' "$(curl -s "$G/v1/runs/$id/stdin" --data-binary x)"
has "and be closed" '"bytes":1' "$(curl -s "$G/v1/runs/$id/stdin?close=1" --data-binary y)"
curl -s "$G/v1/runs/$id/wait" >/dev/null
is "the program got all of it" "xy" "$(curl -s "$G/v1/runs/$id/log")"

id=$(curl -s "$G/v1/run" --json '{"shell":"sleep 30 & sleep 30","background":true}' | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
has "a signal says who got it" '"survivors":[]' "$(curl -s "$G/v1/runs/$id/signal" --json '{"signal":"SIGTERM","scope":"tree","waitMs":2000}')"
has "and shows in the ending" '"signal":"SIGTERM"' "$(curl -s "$G/v1/runs/$id/wait")"
id=$(curl -s "$G/v1/run" --json '{"cmd":"sleep","args":["30"],"background":true}' | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
has "a wait that is too short answers while it runs" '"state":"running"' "$(curl -s "$G/v1/runs/$id/wait?timeoutMs=20")"
has "deleting kills" '"ending":"cancelled"' "$(curl -s -X DELETE "$G/v1/runs/$id")"

first=$(curl -s -H 'Idempotency-Key: k1' "$G/v1/run" --json '{"cmd":"sh","args":["-c","echo $$"]}')
again=$(curl -s -H 'Idempotency-Key: k1' "$G/v1/run" --json '{"cmd":"sh","args":["-c","echo $$"]}')
is "the same key gives the same run" "$first" "$again"
is "another body under the key is 422" "422" "$(curl -s -o /dev/null -w '%{http_code}' -H 'Idempotency-Key: k1' "$G/v1/run" --json '{"cmd":"true"}')"

problem=$(curl -s -i "$G/v1/run" --json '{"cmd":"true","timeoutMs":"soon"}')
has "a bad body is a problem" 'application/problem+json' "$problem"
has "that names member and value" 'body.timeoutMs' "$problem"
has "a missing directory is told" "cwd '/no/such/place' does not exist" "$(curl -s "$G/v1/run" --json '{"cmd":"true","cwd":"/no/such/place"}')"
is "an unknown run is 404" "404" "$(curl -s -o /dev/null -w '%{http_code}' "$G/v1/runs/none/log")"
is "a wrong method is 405" "405" "$(curl -s -o /dev/null -w '%{http_code}' -X PATCH "$G/v1/runs")"
has "the OpenAPI document is served" '"openapi":"3.1.0"' "$(curl -s "$G/openapi.json")"
has "metrics are served" '"cpu_count":' "$(curl -s "$G/metrics")"
is "health is 204" "204" "$(curl -s -o /dev/null -w '%{http_code}' "$G/health")"
