"""What the REST API serves, put together from what `functions.bootstrap` makes.

Imports stand inside the builder, so that no function pays for what another one needs.
"""

from typing import TYPE_CHECKING

from functions import bootstrap
from functions.once import once

if TYPE_CHECKING:
    from functions.billing_api.ports import ApiServices


@once
def services() -> "ApiServices":
    """It accepts usage, so it folds too."""
    from eventing.usage import decode
    from eventing.usage.labels import read_labels
    from eventing.usage.metered import read_metered
    from functions.billing_api.auth import Authenticator
    from functions.billing_api.ingest import IngestBody
    from functions.billing_api.ports import ApiServices
    from shared.adapters.postgres.breakdown import PostgresSeriesReader
    from shared.adapters.postgres.dimensions import PostgresDeclarations
    from shared.adapters.postgres.evidence import PostgresEvidence
    from shared.adapters.postgres.invoicing.parties import PostgresParties
    from shared.adapters.postgres.meters import PostgresMeters
    from shared.adapters.postgres.oversight import PostgresOversight
    from shared.adapters.postgres.plans import PostgresPlans
    from shared.adapters.postgres.tenants import PostgresTenants
    from shared.adapters.postgres.totals import PostgresUsageReader
    from shared.adapters.postgres.unrated import PostgresUnrated
    from shared.adapters.postgres.usage_report import PostgresUsageReport
    from shared.adapters.system import new_id, system_clock
    from shared.service.billing import CalculateBill
    from shared.service.dimensions import DeclareDimensions
    from shared.service.evidence import Evidence
    from shared.service.explain import Explain
    from shared.service.invoicing.parties import Parties
    from shared.service.invoicing.tax_rates import TaxRates
    from shared.service.plan_authoring import PlanAuthoring
    from shared.service.plans import Plans
    from shared.service.question import Questions
    from shared.service.simulate import Simulate
    from shared.service.tenants import Tenants

    bootstrap.folding().start()
    database = bootstrap.database()
    tenants, plans = PostgresTenants(database), PostgresPlans(database)
    usage = PostgresUsageReader(database)
    parties = PostgresParties(database, new_id)
    questions = Questions(tenants=tenants, plans=plans, fold=bootstrap.fold_for, clock=system_clock)
    return ApiServices(
        authenticator=Authenticator(bootstrap.settings().admin_api_key),
        check=database.check,
        tenants=Tenants(tenants, system_clock, new_id),
        ingest=IngestBody(bootstrap.ingest(), tenants, system_clock),
        usage=PostgresUsageReport(database),
        rebuild=bootstrap.rebuild,
        oversight=PostgresOversight(database),
        voids=bootstrap.voids(),
        triage=bootstrap.triage,
        plans=Plans(plans=plans, tenants=tenants, clock=system_clock),
        authoring=PlanAuthoring(
            plans=plans,
            tenants=tenants,
            clock=system_clock,
            new_id=new_id,
            meters=PostgresMeters(database),
        ),
        meters=bootstrap.metering().meters,
        dimensions=DeclareDimensions(PostgresDeclarations(database, new_id), system_clock),
        parties=Parties(parties=parties, tenants=tenants, clock=system_clock, new_id=new_id),
        tax_rates=TaxRates(parties=parties, clock=system_clock, new_id=new_id),
        invoicing=bootstrap.invoicing(),
        unrated=PostgresUnrated(database),
        calculate=CalculateBill(
            tenants=tenants,
            plans=plans,
            usage=usage,
            fold=bootstrap.fold_for,
            clock=system_clock,
        ).calculate,
        simulate=Simulate(questions, usage),
        explain=Explain(questions, PostgresSeriesReader(database)),
        evidence=Evidence(
            tenants=tenants,
            reader=PostgresEvidence(database),
            fold=bootstrap.fold_for,
            decode=decode,
            read_labels=read_labels,
            read_metered=read_metered,
            clock=system_clock,
        ),
    )
