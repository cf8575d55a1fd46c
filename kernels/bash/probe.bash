# Says in one line of JSON whether this bash can run the kernel.
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "bash ${BASH_VERSION%%(*} is too old, the kernel needs 4.4" >&2
  exit 1
fi
printf '{"version":"%s","engine":"bash","rank":1}\n' "${BASH_VERSION%%(*}"
