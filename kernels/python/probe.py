"""Says in one line of JSON whether this interpreter can run the kernel. Kept in syntax that any Python can read."""
import json
import sys

MINIMUM = (3, 9)


def main():
    """Prints the finding, or why there is none and a failing status."""
    version = "%d.%d.%d" % sys.version_info[:3]
    if sys.version_info < MINIMUM:
        sys.exit("Python %s is too old, the kernel needs %d.%d" % ((version,) + MINIMUM))
    import importlib.util

    # A namespace package (a stray folder of that name) has no origin.
    spec = importlib.util.find_spec("IPython")
    has_ipython = spec is not None and spec.origin is not None
    engine, rank = ("ipython", 2) if has_ipython else ("plain", 1)
    print(json.dumps({"version": version, "engine": engine, "rank": rank}))


main()
