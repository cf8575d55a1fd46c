"""Draws figures and compares the charts that the Python kernel reads from them. Runs on any matplotlib from 3.6 on.

Usage: check_charts.py FOLDER_OF_THE_KERNEL. Prints one JSON line for each check: {"name", "error"}.
"""

import json
import sys
import traceback

import matplotlib

sys.path.insert(1, sys.argv[1])
matplotlib.use("Agg")
import check_figures
import check_types
import matplotlib.pyplot as plt


def main():
    for module in (check_types, check_figures):
        for name, check in list(vars(module).items()):
            if not name.startswith("check_"):
                continue
            plt.close("all")
            try:
                check()
                error = None
            except Exception:
                error = traceback.format_exc()
            print(json.dumps({"name": name, "error": error}), flush=True)


main()
