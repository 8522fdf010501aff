"""Registers authd's service with twistd. The module is named as a string, so that it isn't imported here."""

from twisted.application.service import ServiceMaker

authd = ServiceMaker(
    "authd", "authd.daemon.tap", "Kubernetes TokenReview webhook that verifies AWS IAM identities", "authd"
)
