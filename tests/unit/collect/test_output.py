from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from flowexport_mgmt.collect import output
from flowexport_mgmt.collect.report import Report
from flowexport_mgmt.collect.tally import Tally
from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Message, Record

RECORDS = (
    Record("data", {"octetDeltaCount": 5, "sourceIPv4Address": "192.0.2.1"}, 20),
    Record("options", {"interfaceName": "eth0", "samplingInterval": None}, 60),
)
MESSAGE = Message(
    "ipfix",
    ("2001:db8::7", 40_000),
    1_800_000_000_123_456_789,
    sequence=9,
    domain=3,
    records=RECORDS,
    faults=(DecodeError("set-id", "set id 7 is reserved", 16),),
)


def test_json_has_an_object_for_each_record() -> None:
    first, second = map(json.loads, output.render_json(4739, MESSAGE))
    assert first == {
        "time": "2027-01-15T08:00:00.123456Z",
        "source": "[2001:db8::7]:40000",
        "listen-port": 4739,
        "protocol": "ipfix",
        "domain": 3,
        "sequence": 9,
        "kind": "data",
        "fields": {"octetDeltaCount": 5, "sourceIPv4Address": "192.0.2.1"},
    }
    assert second["fields"] == {"interfaceName": "eth0", "samplingInterval": None}


def test_lines_leave_out_what_is_unknown() -> None:
    assert list(output.render_lines(4739, MESSAGE))[1] == (
        "2027-01-15T08:00:00.123456Z [2001:db8::7]:40000 to port 4739 ipfix sequence 9 options"
        " interfaceName=eth0"
    )


def test_text_of_a_sender_gives_no_orders_to_a_terminal() -> None:
    record = Record("options", {"interfaceName": "\x1b[2Jeth0\nuplink Zürich"}, 60)
    message = replace(MESSAGE, records=(record,))
    (line,) = output.render_lines(4739, message)
    assert line.endswith(r" options interfaceName=\x1b[2Jeth0\nuplink Zürich")


def test_faults_are_named_with_source_and_octet() -> None:
    (line,) = output.render_faults(4739, MESSAGE)
    origin, fault = line.split(": ", 1)
    assert origin == "[2001:db8::7]:40000 to port 4739 ipfix sequence 9"
    assert fault == "set-id at octet 16: set id 7 is reserved"


def test_the_summary_has_a_line_for_each_exporter() -> None:
    tally = Tally()
    tally.receive(4739, MESSAGE)
    assert list(output.render_summary(tally, 4)) == [
        "1 datagrams, 2 records, 4 faults from 1 exporters",
        "  2001:db8::7 to port 4739, ipfix: 1 datagrams, 2 records, 0 interfaces, 0 lost, 1 faults",
    ]


def test_lines_are_flushed_together() -> None:
    class Stream(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    stream = Stream()
    output.write(stream, ["a", "b"])
    output.write(stream, [])
    assert (stream.getvalue(), stream.flushed) == ("a\nb\n", 1)


@pytest.mark.parametrize(("strict", "named"), [(True, 2), (False, 0)])
def test_faults_count_always_and_are_named_when_strict(strict: bool, named: int) -> None:
    report = Report(strict=strict)
    lines: list[str] = []
    report.complain = lines.append
    report.receive(4739, MESSAGE)
    report.fault("packet 7", DecodeError("ip-fragment", "a fragment"))
    assert report.faults == 2
    assert len(lines) == named


def test_a_report_that_is_full_takes_no_more() -> None:
    report = Report(strict=False, count=2)
    full: list[bool] = []
    report.full = lambda: full.append(True)
    shown: list[int] = []
    report.show = lambda port, _message: shown.append(port)
    for port in (1, 2, 3):
        report.receive(port, MESSAGE)
    assert (shown, full, report.tally.datagrams) == ([1, 2], [True], 2)
