"""Ask exabgp's decoder what the UPDATEs of the captures say: python -m tests.vectors.bmp.make."""

from __future__ import annotations

import json
import subprocess

from tests.support.bgp import FOLDER, read_updates

PYTHON = "/usr/bin/python3"  # exabgp is Debian's


def main() -> None:
    for capture in sorted(FOLDER.glob("*.bin")):
        updates = read_updates(capture.read_bytes(), is_bmp="bmp" in capture.stem)
        lines = "".join(
            f"{int(each.four_octets)} {int(each.add_path)} {each.message.hex()}\n"
            for each in updates
        )
        script = str(FOLDER / "exabgp_decode.py")
        done = subprocess.run(
            [PYTHON, script], input=lines, capture_output=True, text=True, check=True
        )
        said = [json.loads(line) for line in done.stdout.splitlines()]
        document = {"decoded-by": "exabgp 4.2.21", "updates": said}
        capture.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
