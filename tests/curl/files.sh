#!/bin/sh
# Walks the native files with nothing but sh and curl. Usage: files.sh BASE_URL SCRATCH_FOLDER
# Prints one line a check: `ok NAME` or `not ok NAME: what came instead`.
G=$1
T=$2
F=$G/v1/files$T/box

ok() { echo "ok $1"; }
no() { printf 'not ok %s: %s\n' "$1" "$(printf %s "$2" | tr '\n' '~' | cut -c1-400)"; }

# is NAME EXPECTED ACTUAL: both the same
is() { if [ "$2" = "$3" ]; then ok "$1"; else no "$1" "$3"; fi; }
# has NAME PART TEXT: the text contains the part
has() { case $3 in *"$2"*) ok "$1" ;; *) no "$1" "$3" ;; esac; }
# status ARGUMENTS…: the answer's status
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
# header NAME ARGUMENTS…: one header of the answer
header() { name=$1; shift; curl -s -D - -o /dev/null "$@" | tr -d '\r' | sed -n "s/^$name: //Ip"; }

printf 'hello\n' >"$T/x"
is "a file is written, with the directories above it" "201" "$(status -T "$T/x" "$F/deep/x")"
is "and read" "hello" "$(curl -s "$F/deep/x")"
is "as it is in the sandbox" "hello" "$(cat "$T/box/deep/x")"
is "a file of the system is read" "$(cat /etc/passwd)" "$(curl -s "$G/v1/files/etc/passwd")"
has "a directory lists as JSON" '"name":"x","path":"'"$T"'/box/deep/x","type":"file","size":6' "$(curl -s "$F/deep")"
has "to any depth" "$T/box/deep/x" "$(curl -s "$F?depth=2")"
is "or as ls does" "x" "$(curl -s -H 'Accept: text/plain' "$F/deep" | awk '{ print $NF }')"
is "with the columns of ls" "-rw-r--r--" "$(curl -s -H 'Accept: text/plain' "$F/deep" | cut -d' ' -f1)"
has "home is ~" '"path":"/' "$(curl -s "$G/v1/files/~?stat=1")"

is "HEAD tells the size" "6" "$(header content-length -I "$F/deep/x")"
is "and the mode" "0644" "$(header guestd-file-mode -I "$F/deep/x")"
etag=$(header etag -I "$F/deep/x")
is "an unchanged file is not sent again" "304" "$(status -H "If-None-Match: $etag" "$F/deep/x")"
is "a part of it can be had" "ell" "$(curl -s -r 1-3 "$F/deep/x")"

printf 'changed\n' >"$T/y"
is "a file that must be new is not replaced" "412" "$(status -T "$T/y" -H 'If-None-Match: *' "$F/deep/x")"
is "one in the expected state is" "200" "$(status -T "$T/y" -H "If-Match: $etag" "$F/deep/x")"
is "one in another is not" "412" "$(status -T "$T/x" -H "If-Match: $etag" "$F/deep/x")"
is "it has the new content" "changed" "$(curl -s "$F/deep/x")"
has "a durable write is on the disk" '"atomic":true' "$(curl -s -T "$T/y" "$F/deep/x?durable=1")"
has "a mode can be given" '"mode":"0755"' "$(curl -s -T "$T/x" "$F/deep/x?mode=0755")"
has "and is kept" '"mode":"0755"' "$(curl -s -T "$T/y" "$F/deep/x")"
has "a body can be added" '"size":14' "$(curl -s -T "$T/x" "$F/deep/x?append=1")"
is "at the end" "changed
hello" "$(curl -s "$F/deep/x")"
is "standard input is a body too" "piped" "$(printf piped | curl -s -o /dev/null -T - "$F/piped"; curl -s "$F/piped")"
gzip -c "$T/x" >"$T/x.gz"
is "gzip is unpacked" "hello" "$(curl -s -o /dev/null -T "$T/x.gz" -H 'Content-Encoding: gzip' "$F/unpacked"; curl -s "$F/unpacked")"

is "an upload comes in parts" "201" "$(status -X PATCH -H 'Content-Range: bytes 0-3/10' --data-binary 0123 "$F/parts")"
is "a gap is refused" "416" "$(status -X PATCH -H 'Content-Range: bytes 6-9/10' --data-binary 6789 "$F/parts")"
is "and says where to go on" "bytes */4" "$(header content-range -X PATCH -H 'Content-Range: bytes 6-9/10' --data-binary 6789 "$F/parts")"
# SHA-256 of 0123456789, in Base64
right=hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=
wrong=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
is "the last part with a wrong digest is refused" "422" "$(status -X PATCH -H 'Content-Range: bytes 4-9/10' -H "Digest: SHA-256=$wrong" --data-binary 456789 "$F/parts")"
is "and leaves what was there" "0123" "$(curl -s "$F/parts")"
is "with the right one it is put in place" "200" "$(status -X PATCH -H 'Content-Range: bytes 4-9/10' -H "Digest: SHA-256=$right" --data-binary 456789 "$F/parts")"
is "and the file is whole" "0123456789" "$(curl -s "$F/parts")"

is "a directory is made" "201" "$(status "$F/new/dir" --json '{"op":"mkdir","mode":"0750"}')"
is "again and again" "200" "$(status "$F/new/dir" --json '{"op":"mkdir"}')"
has "a file is copied" '"path":"'"$T"'/box/new/copy"' "$(curl -s "$F/parts" --json "{\"op\":\"copy\",\"to\":\"$T/box/new/copy\"}")"
is "but over no other" "409" "$(status "$F/parts" --json "{\"op\":\"copy\",\"to\":\"$T/box/new/copy\"}")"
is "unless told so" "201" "$(status "$F/parts" --json "{\"op\":\"copy\",\"to\":\"$T/box/new/copy\",\"overwrite\":true}")"
is "a directory is copied with what is in it" "0123456789" "$(curl -s -o /dev/null "$F/new" --json "{\"op\":\"copy\",\"to\":\"$T/box/tree\"}"; curl -s "$F/tree/copy")"
has "a file is moved" '"name":"moved"' "$(curl -s "$F/new/copy" --json "{\"op\":\"move\",\"to\":\"$T/box/moved\"}")"
is "and is not there any more" "404" "$(status "$F/new/copy")"
has "its mode is changed" '"mode":"0600"' "$(curl -s "$F/moved" --json '{"op":"chmod","mode":"0600"}')"
has "its owner too" '"name":"moved"' "$(curl -s "$F/moved" --json "{\"op\":\"chown\",\"owner\":\"$(id -u)\"}")"
has "a link is made" '"type":"symlink"' "$(curl -s "$F/link" --json '{"op":"symlink","target":"moved"}')"
is "and followed" "0123456789" "$(curl -s "$F/link")"
is "two files become one" "0123456789hello" "$(curl -s -o /dev/null "$G/files/compose" --json "{\"source_paths\":[\"$T/box/moved\",\"$T/box/unpacked\"],\"destination\":\"$T/box/whole\"}"; curl -s "$F/whole")"

is "a file is removed" "204" "$(status -X DELETE "$F/whole")"
is "a full directory is not" "409" "$(status -X DELETE "$F/deep")"
has "and the answer says how" "recursive=1" "$(curl -s -X DELETE "$F/deep")"
is "unless told to" "204" "$(status -X DELETE "$F/deep?recursive=1")"
has "errors are problems" '"status":404,"detail":"file not found' "$(curl -s "$F/nothing")"
is "any name is good" "odd" "$(printf odd | curl -s -o /dev/null -T - "$F/a%20b%0Ac%22%27%3F"; curl -s "$F/a%20b%0Ac%22%27%3F")"
