"""Emits the usage of a serverless function as CloudEvents. See the README beside this package."""

from faas_billing_emitter.emitter import Emitter, Status
from faas_billing_emitter.folder import SpoolInUse
from faas_billing_emitter.metered import metered

__all__ = ["Emitter", "SpoolInUse", "Status", "metered"]
