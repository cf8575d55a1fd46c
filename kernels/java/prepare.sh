#!/bin/sh
# Compiles the kernel in the folder named by $1, with an archive of the classes that it starts with, and leaves a link to the Java it is for.
set -eu
prepared=$1
here=$(cd "$(dirname "$0")" && pwd)

# Whether a Java will do: 17 or newer, with the compiler, which a JRE may have too.
will_do() {
  "$1" --list-modules 2>/dev/null | grep -q '^jdk.jshell@\(1[7-9]\|[2-9][0-9]\)' && "$1" --list-modules | grep -q '^jdk.jartool@'
}

# Leaves the first one that will do in $java, or nothing: that of JAVA_HOME, that of the search path.
find_java() {
  for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} "$(command -v java || true)"; do
    [ -x "$java" ] && will_do "$java" && return
  done
  java=
}

find_java
if [ -z "$java" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  export DEBIAN_FRONTEND=noninteractive
  # Somebody else may be installing something.
  apt() { apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }
  apt update
  apt install -y --no-install-recommends default-jdk-headless
  find_java
fi
if [ -z "$java" ]; then
  echo "Java is off: there is no JDK 17 or newer; install one (Debian: apt-get install default-jdk-headless) or set JAVA_HOME" >&2
  exit 1
fi
java=$(readlink -f "$java")
mkdir -p "$prepared"

"$java" -m jdk.compiler/com.sun.tools.javac.Main -XDignore.symbol.file -proc:none --add-modules jdk.jshell \
  -d "$prepared/classes" "$here"/driver/guestd/kernel/*.java
"$java" -m jdk.jartool/sun.tools.jar.Main --create --file "$prepared/kernel.jar" -C "$prepared/classes" .
rm -rf "$prepared/classes"
ln -s "$java" "$prepared/java"
# Starts are about twice as long without it; all else is the same.
"$java" "@$here/java.options" -XX:ArchiveClassesAtExit="$prepared/kernel.jsa" -cp "$prepared/kernel.jar" guestd.kernel.Main --train ||
  echo "the archive of the Java kernel's classes could not be made: its starts take longer" >&2
