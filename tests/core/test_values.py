from __future__ import annotations

import dataclasses
import importlib
import pkgutil

import pytest

import authd.core
from authd.core.arn import PrincipalArn, PrincipalKind
from authd.core.caller_identity import CallerIdentity
from authd.core.partitions import ExtraEndpoint, STSHosts

MODULES = [importlib.import_module(found.name) for found in pkgutil.walk_packages(authd.core.__path__, "authd.core.")]
OWN = [
    thing
    for module in MODULES
    for thing in vars(module).values()
    if isinstance(thing, type) and thing.__module__ == module.__name__
]
VALUES = [thing for thing in OWN if dataclasses.is_dataclass(thing)]
#: Values made for each review are tuples, which are created in a fraction of a data class's time.
TUPLES = [thing for thing in OWN if issubclass(thing, tuple)]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_values_are_frozen_slotted_and_built_by_name(value):
    """Values are immutable, accept no unknown fields, and take their fields by name only."""
    parameters = value.__dataclass_params__
    assert parameters.frozen
    assert "__slots__" in vars(value)
    if value.__name__ != "Template":
        assert all(field.kw_only for field in dataclasses.fields(value))


def test_the_rooms_values_are_found():
    """The list of values above is complete, and all other values are immutable too."""
    assert {"PrincipalArn", "MappingTable"} <= {value.__name__ for value in VALUES}
    names = {
        "PresignedRequest",
        "IndexedRule",
        "AccountRule",
        "SourceTable",
        "Match",
        "IdentifiedRule",
        "CallerIdentity",
        "KubernetesUser",
        "Decision",
        "ReviewRequest",
        "TraceContext",
    }
    assert {value.__name__ for value in TUPLES} == names


def test_optional_fields_are_empty_by_default(partitions):
    """Optional fields are empty by default."""
    arn = PrincipalArn(partition="aws", account="111122223333", kind=PrincipalKind.ROOT, path="/", name="")
    assert arn.session == ""
    identity = CallerIdentity(
        arn=arn, arn_text="", canonical_arn="", key="", principal_id="111122223333", access_key_id="AKIAEXAMPLE"
    )
    assert identity.request_id == ""
    endpoint = ExtraEndpoint(host="sts.example.org")
    assert (endpoint.connect, endpoint.ca_file, endpoint.signing_region) == (None, None, None)
    hosts = STSHosts(partition=partitions["aws"])
    assert (hosts.extra_regions, hosts.extra_endpoints) == (frozenset(), ())


def test_two_lists_of_hosts_with_the_same_settings_are_equal(partitions):
    """Fields derived from the settings are neither compared nor shown."""
    one, two = (STSHosts(partition=partitions["aws"]) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert "_signing_regions" not in repr(one)
