"""The one helper of a test framework that the checks need."""


def raises(kind, action):
    """Returns the exception of `kind` that `action` raises."""
    try:
        action()
    except kind as error:
        return error
    raise AssertionError("%s was not raised" % kind.__name__)


async def raises_async(kind, awaitable):
    """Returns the exception of `kind` that awaiting raises."""
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError("%s was not raised" % kind.__name__)
