"""Tell twistd of the authd service; the module is named as a string, so nothing of it is imported here."""

from twisted.application.service import ServiceMaker

authd = ServiceMaker(
    "authd", "authd.daemon.tap", "Kubernetes TokenReview webhook that verifies AWS IAM identities", "authd"
)
