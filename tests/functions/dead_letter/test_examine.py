"""A dead letter's event is checked as the function that takes it would, to the last fault."""

from collections.abc import Mapping
from datetime import UTC, datetime

from eventing.usage import decode
from functions.dead_letter.examine import examiner
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.system import new_id
from shared.service.ingest import Examination, IngestUsage
from tests.shared.service.letter_fakes import USAGE

EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": USAGE, "tenantid": "acme"}


def examine(attributes: Mapping[str, str], data: bytes) -> Examination:
    """Without a database."""
    database = Database("")
    ingest = IngestUsage(
        decode=decode,
        tenants=PostgresTenants(database),
        series=PostgresSeries(database, new_id),
        log=PostgresUsageLog(database),
        clock=lambda: datetime(2025, 10, 15, tzinfo=UTC),
    )
    return examiner(ingest)(attributes, data)


def fields(found: Examination) -> set[str]:
    return {fault.field for fault in found.faults}


def test_what_is_no_event_says_why() -> None:
    found = examine({"id": "1"}, b"")
    assert (fields(found), found.is_complete) == ({"specversion", "source", "type"}, True)


def test_all_faults_are_found_where_an_answer_has_room_for_a_few() -> None:
    records = b",".join([b'{"memory_mb":-1}'] * 200)
    found = examine(EVENT, b'{"records":[' + records + b"]}")
    assert found.total == 400
    assert {"records[0].memory_mb", "records[199].service_name"} <= fields(found)
    assert not found.is_complete


def test_a_missing_tenant_is_a_fault_beside_those_of_the_data() -> None:
    found = examine({**EVENT, "tenantid": ""}, b'{"memory_mb":-1}')
    assert fields(found) == {"memory_mb", "service_name", "tenantid"}


def test_an_event_of_another_type_is_not_judged() -> None:
    assert examine({**EVENT, "type": "com.example.other"}, b"x") == Examination(is_complete=False)
