import json
import re


def read_options(text):
    """Options of an SDK, from JSON with JavaScript's names."""
    return {re.sub("[A-Z]", lambda m: "_" + m[0].lower(), name): value for name, value in json.loads(text).items()}
