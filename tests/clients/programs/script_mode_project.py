"""A source directory with the script, as a project on a user's disk would have it."""

import shutil
import zipfile
from pathlib import Path

SCRIPT = Path(__file__).parent / "script_mode"


def project(directory, requirement=False):
    """`requirement`: the script needs a package of its own, which lies there as a wheel."""
    shutil.copytree(SCRIPT, directory)
    if requirement:
        wheel = "greeting-1.0-py3-none-any.whl"
        information = "greeting-1.0.dist-info"
        with zipfile.ZipFile(Path(directory, wheel), "w") as archive:
            archive.writestr("greeting.py", "def text():\n    return 'hello from a requirement'\n")
            archive.writestr(
                f"{information}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n"
            )
            archive.writestr(
                f"{information}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(f"{information}/RECORD", "")
        Path(directory, "requirements.txt").write_text(f"./{wheel}\n")
    return str(directory)
