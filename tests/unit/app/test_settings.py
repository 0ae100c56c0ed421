from __future__ import annotations

from pathlib import Path

import pytest

from flowexport_mgmt.app.folders import Folders
from flowexport_mgmt.app.privilege import Account
from flowexport_mgmt.app.settings import ChildSettings, read_child_settings

FOLDERS = Folders(Path("/state"), Path("/state/run"))


@pytest.mark.parametrize(
    "settings",
    [
        ChildSettings(control=3, folders=FOLDERS, life="f00"),
        ChildSettings(control=3, folders=FOLDERS, life="f00", account=Account("fx", 7, 8)),
        ChildSettings(control=3, folders=FOLDERS, life="f00", sockets=4),
        ChildSettings(control=3, folders=FOLDERS, life="f00", init=5, init_name="-- odd name.xml"),
    ],
)
def test_settings_survive_the_command_line(settings: ChildSettings) -> None:
    assert read_child_settings(settings.arguments()) == settings
