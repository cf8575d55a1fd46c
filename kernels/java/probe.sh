# Says in one line of JSON what Java the kernel was prepared for, if it is still there.
java=$1 prepared=$2
if [ ! -e "$java" ]; then
  echo "the kernel is not prepared for a Java of this machine" >&2
  exit 1
fi
if [ ! -r "$prepared/kernel.jar" ]; then
  echo "$prepared/kernel.jar cannot be read" >&2
  exit 1
fi
exec "$java" "@${0%/*}/java.options" -XX:SharedArchiveFile="$prepared/kernel.jsa" -cp "$prepared/kernel.jar" guestd.kernel.Probe
