from __future__ import annotations

from tests.support.children import obey

if __name__ == "__main__":
    obey("manager")
