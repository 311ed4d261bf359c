"""Run a user's Pulumi program against an engine.

Started by path with the program's own Python: ``program.py SETTINGS PROGRAM [ARGUMENT ...]``, where SETTINGS is JSON
for ``pulumi.runtime.Settings``. Config comes in the environment, where ``ps`` does not show it.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolchain.host.end_with_parent import end_with_parent
else:
    from end_with_parent import end_with_parent  # run by path: the file beside this one

SHOWN = 32  # exit code: the error has been shown, say no more
_INTERRUPTED = 130


def main() -> int:
    """Run the program.

    Returns:
        The exit code: 0, or ``SHOWN`` when the program failed and the user has been told why.
    """
    end_with_parent()
    # The engine stops us, and says so more than once: no waiting thread may hold us, and no traceback be shown.
    signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # whole lines, at once: the engine shows them as they come
    settings = json.loads(sys.argv[1])
    program = Path(sys.argv[2])
    try:
        import pulumi  # noqa: PLC0415 - may be missing
        import pulumi.runtime  # noqa: PLC0415
    except ImportError as error:
        print(
            f"{sys.executable} cannot import the Pulumi SDK ({error}). Install what the program needs: "
            f"{sys.executable} -m pip install -r requirements.txt",
            file=sys.stderr,
        )
        return 1
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(pulumi.runtime.Settings(**settings))
    if program.is_dir() and not (program / "__main__.py").is_file():
        pulumi.log.error(f"{program} has no __main__.py, where a Pulumi program in Python starts")
        return SHOWN
    sys.argv = [str(program), *sys.argv[3:]]
    sys.path[0] = str(program if program.is_dir() else program.parent)  # instead of this file's own directory

    # A program that fails leaves futures unawaited; asyncio's complaints about them would bury the error itself.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(settings["parallel"], 1) * 4)
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run(program)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return SHOWN
    except Exception as error:  # noqa: BLE001 - whatever a program raises is shown here, once
        pulumi.log.error("The program failed:\n" + _readable(error, program))
        return SHOWN
    finally:
        executor.shutdown()
        loop.close()
    return 0


def _run(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


def _readable(error: Exception, program: Path) -> str:
    """Return the traceback from the user's program on, without the frames that lead to it."""
    main = str(program / "__main__.py" if program.is_dir() else program)
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename != main:
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame or error.__traceback__))


if __name__ == "__main__":
    sys.exit(main())
