"""The file of server.dynamicBackendModePath."""

from __future__ import annotations

import pytest

from authd.config.backend_file import read_backend_file
from authd.config.document.problems import InvalidSettings


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b'{"backendMode": "MountedFile"}', ("MountedFile",)),
        (
            b'{"Version": "1", "LastUpdatedDateTime": "7", "ClusterID": "c", "backendMode": "DynamicFile CRD"}',
            ("DynamicFile", "CRD"),
        ),
        (b"backendMode: [ConfigMap, File]\n", ("EKSConfigMap", "MountedFile")),
        (b'{"backendMode": "CRD CRD"}', ("CRD",)),
        (b'{"backendmode": "CRD", "x": {"y": 1}}', ("CRD",)),
    ],
)
def test_names(content, names):
    """The names are in one text, as in aws-iam-authenticator, or in a list."""
    assert read_backend_file(content, "f") == names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "f:1:1: backendMode is missing"),
        (b"[]", "backendMode is missing"),
        (b'{"backendMode": ""}', "backendMode is missing"),
        (b"{", "not YAML"),
        (b"a: 1\na: 2\n", "backendMode is missing"),
        (b"backendMode: *nowhere\n", "f:1:14: "),
        (b'{"backendMode": "Nonsense"}', "names an unknown backend"),
    ],
)
def test_errors(content, message):
    """An error has its place."""
    with pytest.raises(InvalidSettings) as caught:
        read_backend_file(content, "f")
    assert message in str(caught.value)
