# Says in one line of JSON whether this R can run the kernel.
if (getRversion() < "4.0") {
  message("R ", getRversion(), " is too old, the kernel needs 4.0")
  quit("no", 1L)
}
cat(sprintf('{"version":"%s","engine":"r","rank":1}\n', getRversion()))
