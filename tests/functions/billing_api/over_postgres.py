"""The services of the API over a real PostgreSQL."""

from uuid import UUID

from eventing.usage import decode
from eventing.usage.labels import read_labels
from eventing.usage.metered import read_metered
from functions.billing_api.auth import Authenticator
from functions.billing_api.ingest import IngestBody
from functions.billing_api.ports import ApiServices
from functions.invoicing import InvoicingServices
from shared.adapters.postgres.breakdown import PostgresSeriesReader
from shared.adapters.postgres.dimension_book import PostgresUsageDimensions
from shared.adapters.postgres.dimension_values import PostgresDimensionValues
from shared.adapters.postgres.dimensions import PostgresDeclarations
from shared.adapters.postgres.evidence import PostgresEvidence
from shared.adapters.postgres.invoicing.holds import PostgresHeldLetters
from shared.adapters.postgres.invoicing.parties import PostgresParties
from shared.adapters.postgres.meter_backfill import PostgresBackfills
from shared.adapters.postgres.meter_book import PostgresUsageMeters
from shared.adapters.postgres.meter_dimensions import PostgresDimensions
from shared.adapters.postgres.meters import PostgresMeters
from shared.adapters.postgres.oversight import PostgresOversight
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.registry import Registry
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.totals import PostgresUsageReader
from shared.adapters.postgres.unrated import PostgresUnrated
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.usage_report import PostgresUsageReport
from shared.adapters.postgres.voids import PostgresVoids
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.service.backfill import Backfill
from shared.service.billing import CalculateBill
from shared.service.dimensions import DeclareDimensions, Labelling
from shared.service.evidence import Evidence
from shared.service.explain import Explain
from shared.service.fold import Fold
from shared.service.ingest import IngestUsage
from shared.service.invoicing.parties import Parties
from shared.service.invoicing.tax_rates import TaxRates
from shared.service.metering import Metering
from shared.service.meters import Meters
from shared.service.plan_authoring import PlanAuthoring
from shared.service.plans import Plans
from shared.service.ports import Clock
from shared.service.question import Questions
from shared.service.rebuild import Rebuild
from shared.service.simulate import Simulate
from shared.service.tenants import Tenants
from shared.service.voids import VoidUsage
from tests.functions.billing_api.fakes import KEY, Backend


def services_over(database: Database, clock: Clock) -> tuple[ApiServices, Fold]:
    """What the API serves, and the fold behind it."""
    tenants, plans = PostgresTenants(database), PostgresPlans(database)
    series, windows = PostgresSeries(database, new_id), PostgresWindows(database, new_id)
    fold, usage = Fold(windows, clock), PostgresUsageReader(database)

    def fold_for(tenant_id: UUID) -> None:
        fold.run_for(tenant_id)
        backfill.freshen(tenant_id)

    questions = Questions(tenants=tenants, plans=plans, fold=fold_for, clock=clock)
    registry = Registry(database, refresh_s=0)
    labelling = Labelling(read_labels, PostgresDimensionValues(database))
    dimensions = PostgresUsageDimensions(database, registry, lambda: labelling)
    metering = Metering(read_metered, PostgresDimensions(database), series)
    backfill = Backfill(PostgresBackfills(database, new_id), windows, metering)
    ingest = IngestUsage(
        decode=decode,
        tenants=tenants,
        series=series,
        log=PostgresUsageLog(database),
        clock=clock,
        meters=PostgresUsageMeters(database, registry, lambda: metering),
        dimensions=dimensions,
    )
    rebuild = Rebuild(windows, fold, series, decode, metering, dimensions)
    parties = PostgresParties(database, new_id)
    services = ApiServices(
        authenticator=Authenticator(KEY),
        check=database.check,
        tenants=Tenants(tenants, clock, new_id),
        ingest=IngestBody(ingest, tenants, clock),
        usage=PostgresUsageReport(database),
        rebuild=rebuild.run,
        oversight=PostgresOversight(database),
        triage=Backend().triage,
        voids=VoidUsage(
            tenants=tenants,
            store=PostgresVoids(database, new_id),
            windows=windows,
            series=series,
            rebuild=rebuild,
            decode=decode,
            clock=clock,
        ),
        plans=Plans(plans=plans, tenants=tenants, clock=clock),
        authoring=PlanAuthoring(
            plans=plans, tenants=tenants, clock=clock, new_id=new_id, meters=PostgresMeters(database)
        ),
        meters=Meters(
            meters=PostgresMeters(database),
            tenants=tenants,
            payloads_complete_from=windows.payloads_complete_from,
            clock=clock,
            new_id=new_id,
            changed=lambda: run_to_the_end(backfill),
        ),
        dimensions=DeclareDimensions(PostgresDeclarations(database, new_id), clock),
        parties=Parties(parties=parties, tenants=tenants, clock=clock, new_id=new_id),
        tax_rates=TaxRates(parties=parties, clock=clock, new_id=new_id),
        invoicing=InvoicingServices(
            database,
            fold_for,
            clock=clock,
            read_letters=lambda: PostgresHeldLetters(database).replace([], clock()),
        ),
        unrated=PostgresUnrated(database),
        calculate=CalculateBill(
            tenants=tenants, plans=plans, usage=usage, fold=fold_for, clock=clock
        ).calculate,
        simulate=Simulate(questions, usage),
        explain=Explain(questions, PostgresSeriesReader(database)),
        evidence=Evidence(
            tenants=tenants,
            reader=PostgresEvidence(database),
            fold=fold_for,
            decode=decode,
            read_labels=read_labels,
            read_metered=read_metered,
            clock=clock,
        ),
    )
    return services, fold


def run_to_the_end(backfill: Backfill) -> None:
    while backfill.run():
        pass
