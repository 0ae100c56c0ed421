"""``python -m flowexport_mgmt.collect`` is ``flowexport-collect``."""

import sys

from flowexport_mgmt.collect.main import main

sys.exit(main())
