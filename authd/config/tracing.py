"""Reads `server.tracing`: the collector of OpenTelemetry spans."""

from __future__ import annotations

from authd.config.fields.addresses import collector_url, is_local, is_plain
from authd.config.fields.schema import TRACING
from authd.config.fields.section import Section
from authd.config.fields.values import absolute_path, ratio
from authd.config.settings import TracingSettings


def read_tracing(server: Section) -> TracingSettings | None:
    """Read the section. Returns None if it is absent."""
    node = server.node_of("tracing")
    section = None if node is None else server.section_at(node, "tracing", TRACING)
    if section is None:
        return None
    endpoint = section.required("endpoint", collector_url, "the collector's URL, such as http://127.0.0.1:4318")
    tracing = TracingSettings(
        endpoint=endpoint or "",
        headers_file=section.value("headersFile", absolute_path, None),
        ca_file=section.value("caFile", absolute_path, None),
        sample_ratio=section.value("sampleRatio", ratio, None),
    )
    _warn_of_plain_http(section, tracing)
    return tracing


def _warn_of_plain_http(section: Section, tracing: TracingSettings) -> None:
    node = section.node_of("endpoint")
    if node is None or not is_plain(tracing.endpoint):
        return
    if not is_local(tracing.endpoint):
        section.problems.warn(node, "server.tracing.endpoint: ARNs would cross the network as plain text: use https")
    if tracing.ca_file is not None:
        section.problems.warn(node, "server.tracing.caFile has no effect, because the endpoint is plain http")
