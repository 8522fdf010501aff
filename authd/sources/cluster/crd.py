"""The source CRD: custom resources IAMIdentityMapping."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import Any

from twisted.internet.task import Cooperator

from authd.core.arn import PrincipalArn
from authd.core.errors import Problem
from authd.core.mapping.reserved import ReservedPrefixes
from authd.core.mapping.rules import Rule
from authd.core.mapping.table import MappingTable, building_table
from authd.kubernetes.client import APIClient, JSONObject
from authd.kubernetes.listing import Resource
from authd.kubernetes.object_cache import ObjectCache, name_of
from authd.kubernetes.reflector import Reflector
from authd.sources.cluster.eks_configmap import copy_in_force, reachability
from authd.sources.cluster.identity_mapping import COLLECTION, KIND, IdentityMapping, RuleContext, oldest_first
from authd.sources.cluster.reports import Reports
from authd.sources.cluster.table_copy import NO_COPY, StoredCopy
from authd.sources.in_force import InForce
from authd.sources.publisher import Content, Publisher

#: Changes within this time are published together, because each publication builds the whole table.
_COLLECT_SECONDS = 0.25
_OBJECTS_PER_STEP = 20
#: Broken objects that `problems` names. Each has its own Event in any case.
_MAX_REPORTED = 20


class CRD:
    """Watches the objects. A broken object keeps the rule of its last good version and does not affect the others.

    If two objects have the same ARN, the older one is in force and both get an Event. `user_ids` returns the unique IDs
    of callers by the key of their ARN, for `status.userID`.
    """

    name = "CRD"

    def __init__(
        self,
        reactor: Any,
        client: APIClient,
        *,
        in_force: InForce,
        cooperator: Cooperator,
        partitions: Iterable[str],
        now: Callable[[], float],
        reloaded: Callable[[str], None] = lambda _: None,
        copy: StoredCopy = NO_COPY,
        user_ids: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self._reactor = reactor
        self._in_force = in_force
        self._partitions = tuple(partitions)
        self._user_ids = user_ids
        self._copy = copy
        self._publisher = Publisher(self.name, in_force, cooperator, self._build, reloaded, changed=copy.changed)
        self._cache: ObjectCache[IdentityMapping] = ObjectCache(self._read, self._changed)
        self._reflector = Reflector(reactor, client, Resource(path=COLLECTION, kind=KIND), self._cache)
        self._reports = Reports(reactor, client, now)
        self._collecting: Any = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The errors because of which the latest content is not in force."""
        place = "iamidentitymappings"
        copied = copy_in_force(self._in_force, self.name, place)
        return (*reachability(self._reflector, place), *copied, *self._publisher.problems)

    def start(self) -> None:
        """Start watching. Until the first list, the mappings of the copy on disk are in force."""
        self._publisher.published = self._copy.load()
        self._reflector.start()

    def check(self) -> None:
        """Renew the time of the copy on disk. Changes need no check, because the watch reports them."""
        if not self._reflector.problem:
            self._copy.confirm()

    def stop(self) -> None:
        """Stop watching."""
        self._reflector.stop()
        self._publisher.stop()
        self._cache.clear()  # this object may never be garbage-collected, see `keep_first_table`
        self._copy.stop()
        self._reports.stop()
        if self._collecting is not None:
            self._collecting.cancel()

    def _read(self, content: JSONObject) -> IdentityMapping:
        earlier = self._cache.objects.get(name_of(content))
        if earlier is None or not earlier.has_rule_of(content):
            return IdentityMapping(content, earlier)
        # A write of the status causes an event too, which must not build a new table.
        earlier.take_status(content)
        if not earlier.unread and not earlier.error:
            self._keep_canonical_arn(earlier)
        return earlier

    def _changed(self) -> None:
        if self._collecting is None:
            self._collecting = self._reactor.callLater(_COLLECT_SECONDS, self._publish)

    def _publish(self) -> None:
        self._collecting = None
        self._publisher.publish()

    def _build(self) -> Generator[None, None, Content]:
        settings = self._in_force.settings
        context = RuleContext(self._partitions, settings.partition, settings.role_patterns, {})
        mappings = oldest_first(self._cache.objects.values())
        yield
        for count, mapping in enumerate(mappings):
            if mapping.unread:
                mapping.read_rule(context)
            if count % _OBJECTS_PER_STEP == 0:
                yield
        return (yield from self._collecting_rules(mappings, settings.reserved_by(self.name)))

    def _collecting_rules(
        self, mappings: list[IdentityMapping], reserved: ReservedPrefixes
    ) -> Generator[None, None, Content]:
        by_arn: dict[str, list[tuple[IdentityMapping, Rule]]] = {}
        errors: list[Problem] = []
        warnings: list[Problem] = []
        user_ids = self._user_ids()
        for count, mapping in enumerate(mappings):
            warnings += mapping.warnings
            if mapping.error:
                errors.append(mapping.problem)
                self._reports.warn(mapping, "InvalidMapping", mapping.error)
            if mapping.rule is not None:
                older = by_arn.setdefault(mapping.rule.subject.key, [])
                errors += self._duplicates(older, mapping, mapping.rule)
                older.append((mapping, mapping.rule))
            if not mapping.error:
                self._write_status(mapping, user_ids)
            if count % _OBJECTS_PER_STEP == 0:
                yield
        # The last rule for an ARN has precedence, which must be the oldest one.
        rules = [rule for each in by_arn.values() for _, rule in reversed(each)]
        table: MappingTable = yield from building_table(rules, {}, reserved)
        return Content(table, _shortened(errors), _shortened(warnings), usable=True)

    def _duplicates(
        self, older: list[tuple[IdentityMapping, Rule]], mapping: IdentityMapping, rule: Rule
    ) -> list[Problem]:
        """Report an object with the ARN of an older one that is in force at the same time."""
        same_time = (each for each, other in older if other.validity.overlaps(rule.validity))
        return [self._duplicate(each, mapping) for each in islice(same_time, 1)]

    def _duplicate(self, older: IdentityMapping, younger: IdentityMapping) -> Problem:
        self._reports.warn(younger, "DuplicateARN", f"no effect: the older {older.place} has the same ARN")
        self._reports.warn(older, "DuplicateARN", f"the newer {younger.place} has the same ARN and no effect")
        message = f"it has the ARN of the older {older.place}, which is in force: delete one of them"
        return Problem(file=younger.place, line=0, column=0, message=message)

    def _keep_canonical_arn(self, mapping: IdentityMapping) -> None:
        subject = mapping.rule.subject if mapping.rule is not None else None
        if isinstance(subject, PrincipalArn) and mapping.canonical_arn != subject.key:
            self._write_status(mapping, {})

    def _write_status(self, mapping: IdentityMapping, user_ids: dict[str, str]) -> None:
        subject = mapping.rule.subject if mapping.rule is not None else None
        if not isinstance(subject, PrincipalArn):
            return
        key = subject.key
        user_id = user_ids.get(key, mapping.user_id)
        if (mapping.canonical_arn, mapping.user_id) == (key, user_id):
            self._reports.forget_status(mapping)
        else:
            self._reports.write_status(mapping, key, user_id)


def _shortened(problems: list[Problem]) -> tuple[Problem, ...]:
    more = len(problems) - _MAX_REPORTED
    first = tuple(problems[:_MAX_REPORTED])
    rest = Problem(file="iamidentitymappings", line=0, column=0, message=f"and {more} more objects")
    return (*first, rest) if more > 0 else first
