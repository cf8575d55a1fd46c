#!/bin/sh
# Walks /v1/git with nothing but sh, curl and git. Usage: git.sh BASE_URL SCRATCH_FOLDER
# Prints one line a check: `ok NAME` or `not ok NAME: what came instead`.
G=$1/v1/git
T=$2
U=$(id -un)

ok() { echo "ok $1"; }
no() { printf 'not ok %s: %s\n' "$1" "$(printf %s "$2" | tr '\n' '~' | cut -c1-400)"; }

# is NAME EXPECTED ACTUAL: both the same
is() { if [ "$2" = "$3" ]; then ok "$1"; else no "$1" "$3"; fi; }
# has NAME PART TEXT: the text contains the part
has() { case $3 in *"$2"*) ok "$1" ;; *) no "$1" "$3" ;; esac; }
# post WHAT JSON-MEMBERS: asks for it as whoever runs this
post() { curl -s "$G/$1" --json "{\"user\":\"$U\",$2}"; }
# plain PATH-AND-QUERY: as text for a person
plain() { curl -s -H 'Accept: text/plain' "$G/$1&user=$U"; }

has "a repository is made" "\"path\":\"$T/one\"" "$(post init "\"path\":\"$T/one\",\"branch\":\"main\"")"
is "it has no commits yet" "## main (no commits yet)" "$(plain "status?path=$T/one")"
is "and its log is empty" '{"commits":[]}' "$(curl -s "$G/log?path=$T/one&user=$U")"
echo hello >"$T/one/file"
has "a new file shows" '"files":[{"path":"file","index":"?","worktree":"?","unmerged":false}]' "$(curl -s "$G/status?path=$T/one&user=$U")"
is "as git shows it" "?? file" "$(plain "status?path=$T/one" | sed 1d)"
has "it is taken into the index" '"commit":null' "$(post add "\"path\":\"$T/one\"")"
author='"author":{"name":"Ada","email":"ada@example.com"}'
has "and committed" '"branch":"main","commit":"' "$(post commit "\"path\":\"$T/one\",\"message\":\"first words\",$author")"
has "once" '"reason":"nothing_to_commit"' "$(post commit "\"path\":\"$T/one\",\"message\":\"again\",$author")"
has "a commit is in the log" '"author":{"name":"Ada","email":"ada@example.com"' "$(curl -s "$G/log?path=$T/one&user=$U")"
has "one a line for a person" "Ada: first words (HEAD -> main)" "$(plain "log?path=$T/one")"
has "and the files are clean" '"clean":true' "$(curl -s "$G/status?path=$T/one&user=$U")"

echo bye >"$T/one/file"
has "a change is shown" '"files":[{"path":"file","added":1,"deleted":1}]' "$(curl -s "$G/diff?path=$T/one&user=$U")"
has "as a patch for a person" "+bye" "$(plain "diff?path=$T/one")"
has "and put back" '"branch":"main"' "$(post restore "\"path\":\"$T/one\",\"files\":[\"file\"]")"
has "a commit is shown" '"subject":"first words"' "$(curl -s "$G/show?path=$T/one&user=$U")"
has "the branch is moved" '"branch":"main"' "$(post reset "\"path\":\"$T/one\",\"mode\":\"hard\"")"
has "branches are listed" '"name":"main"' "$(curl -s "$G/branches?path=$T/one&user=$U")"
has "and made" '"name":"idea"' "$(post branches "\"path\":\"$T/one\",\"name\":\"idea\"")"
is "and removed" "200" "$(curl -s -o /dev/null -w '%{http_code}' -X DELETE "$G/branches?path=$T/one&user=$U&name=idea")"
has "so are tags" '"name":"v1"' "$(post tags "\"path\":\"$T/one\",\"name\":\"v1\"")"
is "with nothing left" '{"refs":[]}' "$(curl -s -X DELETE "$G/tags?path=$T/one&user=$U&name=v1")"

has "an annotated tag is made by the author of the call" '"name":"v2"' "$(post tags "\"path\":\"$T/one\",\"name\":\"v2\",\"message\":\"two\",$author")"
echo later >"$T/one/file"
has "changes are stashed" '"index":0' "$(post stash "\"path\":\"$T/one\",\"message\":\"for later\"")"
is "and listed for a person" "stash@{0}: On main: for later" "$(plain "stash?path=$T/one")"
has "and as they are" '{"stashes":[{"index":0,' "$(curl -s "$G/stash?path=$T/one&user=$U")"
has "and shown" '"files":[{"path":"file","added":1,"deleted":1}]' "$(curl -s "$G/stash/show?path=$T/one&user=$U")"
has "and as a patch" "+later" "$(plain "stash/show?path=$T/one&index=0")"
has "and brought back" '"index":0' "$(post stash/apply "\"path\":\"$T/one\"")"
has "but not over changes" '"reason":"dirty"' "$(post stash/apply "\"path\":\"$T/one\"")"
has "and brought back for good" '{"stashes":[]}' "$(git -C "$T/one" checkout -q file && post stash/pop "\"path\":\"$T/one\"")"
has "or forgotten" '{"stashes":[]}' "$(post stash "\"path\":\"$T/one\"" >/dev/null && curl -s -X DELETE "$G/stash?path=$T/one&user=$U&index=0")"
has "with nothing to stash it says so" '"reason":"nothing_to_commit"' "$(post stash "\"path\":\"$T/one\"")"

has "a setting is made" '"value":"Ada","scope":"local"}]' "$(post config "\"path\":\"$T/one\",\"key\":\"user.name\",\"value\":\"Ada\"")"
is "and told" "Ada" "$(plain "config?path=$T/one&key=user.name")"
has "and is among all" '{"key":"user.name","value":"Ada","scope":"local"}' "$(curl -s "$G/config?path=$T/one&scope=local&user=$U")"
is "and taken away" "200" "$(curl -s -o /dev/null -w '%{http_code}' -X DELETE "$G/config?path=$T/one&user=$U&key=user.name")"
has "once only" '"reason":"not_found"' "$(curl -s -X DELETE "$G/config?path=$T/one&user=$U&key=user.name")"
has "programs are no settings" '"status":403' "$(post config "\"path\":\"$T/one\",\"key\":\"alias.x\",\"value\":\"!id\"")"

has "a remote is added without its password" '"url":"https://example.com/x","pushUrls":["https://example.com/x"]}]' "$(post remotes "\"path\":\"$T/one\",\"name\":\"web\",\"url\":\"https://ada:secret@example.com/x\"")"
has "its address is changed" '"url":"git@example.com:x"' "$(curl -s -X PATCH "$G/remotes" --json "{\"user\":\"$U\",\"path\":\"$T/one\",\"name\":\"web\",\"url\":\"git@example.com:x\"}")"
has "its name is changed" '{"remotes":[{"name":"net"' "$(curl -s -X PATCH "$G/remotes" --json "{\"user\":\"$U\",\"path\":\"$T/one\",\"name\":\"web\",\"newName\":\"net\"}")"
has "it is listed for a person" "net	git@example.com:x (fetch)" "$(plain "remotes?path=$T/one")"
is "it is forgotten" '{"remotes":[]}' "$(curl -s -X DELETE "$G/remotes?path=$T/one&user=$U&name=net")"

has "a directory of this machine is cloned when asked for" '"branch":"main"' "$(post clone "\"url\":\"$T/one\",\"path\":\"$T/two\",\"allowFile\":true")"
has "a branch is made" '"branch":"topic"' "$(post checkout "\"path\":\"$T/two\",\"ref\":\"topic\",\"create\":true")"
has "and pushed" '"upstream":"origin/topic","ahead":0' "$(post push "\"path\":\"$T/two\",\"setUpstream\":true,\"allowFile\":true")"
has "what the server has is fetched" '"behind":0' "$(post fetch "\"path\":\"$T/two\",\"allowFile\":true")"
has "and pulled" '"branch":"topic"' "$(post pull "\"path\":\"$T/two\",\"allowFile\":true")"
has "but not otherwise" '"status":403' "$(post clone "\"url\":\"$T/one\",\"path\":\"$T/three\"")"
has "progress comes as events" '{"type":"result"' "$(curl -sN -H 'Accept: application/x-ndjson' "$G/clone" --json "{\"user\":\"$U\",\"url\":\"$T/one\",\"path\":\"$T/four\",\"allowFile\":true}")"
has "remote helpers are refused" 'ext:: are refused' "$(post clone '"url":"ext::id"')"
has "what is no repository says so" '"reason":"not_a_repository"' "$(curl -s "$G/status?path=$T&user=$U")"
has "what is not there too" '"reason":"not_found"' "$(curl -s "$G/status?path=$T/none&user=$U")"
has "options are no names" 'must not begin with -' "$(curl -s "$G/log?path=$T/one&ref=--all&user=$U")"
