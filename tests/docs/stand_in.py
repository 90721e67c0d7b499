"""Stands for the command `potsdb` in examples: `serve` takes a free port and ends once it listens, `demo` is short."""

import os
import subprocess
import sys

command, *arguments = sys.argv[1:]
if arguments[:1] == ["serve"] and not {"-h", "--grafana"} & set(arguments):
    # No browser: nobody is there to look.
    arguments = [each for each in arguments if each != "--open"]
    for name in ("--port", "-p"):
        if name in arguments:
            at = arguments.index(name)
            del arguments[at : at + 2]
    server = subprocess.Popen([command, *arguments, "--port", "0"], stdout=subprocess.PIPE, text=True)
    print(server.stdout.readline(), end="")
    server.terminate()
    server.communicate()
    sys.exit(server.returncode)
if arguments[:1] == ["demo"]:
    arguments = [each for each in arguments if not each.isdigit() and each != "--seconds"] + ["--seconds", "1"]
os.execv(command, [command, *arguments])
