from __future__ import annotations

import base64
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cryptography import x509

from authd.cli.main import main
from authd.state.certificate_checks import names_of
from authd.state.x509 import new_ca, new_client_leaf
from tests.cli.shapes import parsed


@pytest.fixture
def init(tmp_path, capsys):
    """Run `authd init` with its paths below a temporary folder, and return its JSON output."""

    def run(*options, cluster=("-i", "my-cluster")):
        paths = [
            "--state-dir",
            str(tmp_path / "state"),
            "--generate-kubeconfig",
            str(tmp_path / "kube" / "config.yaml"),
        ]
        status = main(["init", *cluster, *paths, "-o", "json", *options])
        captured = capsys.readouterr()
        return status, parsed("init", captured.out) if captured.out else {}, captured.err

    return run


@pytest.fixture
def kubeconfig(tmp_path):
    return lambda: yaml.safe_load((tmp_path / "kube" / "config.yaml").read_text())


def names(paths):
    return [path.rpartition("/")[2] for path in paths]


def test_first_and_second_run(init, tmp_path):
    """The first run creates all files, with keys readable by the owner only. The second run reports them as kept."""
    made = ["ca.pem", "ca-key.pem", "cert.pem", "key.pem", "config.yaml"]
    status, output, err = init()
    assert (status, names(output["written"]), output["kept"], err) == (0, made, [], "")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    for private in ("state/key.pem", "state/ca-key.pem", "kube/config.yaml"):
        assert stat.S_IMODE((tmp_path / private).stat().st_mode) == 0o600
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    status, output, err = init()
    assert (status, output["written"], names(output["kept"]), err) == (0, [], made, "")
    assert {path: path.read_bytes() for path in before} == before


def test_the_kubeconfig_trusts_the_certificate(init, kubeconfig, tmp_path):
    """The kubeconfig names the daemon and trusts the CA that signed the server's certificate."""
    _, output, _ = init("--hostname", "node-1.example.com", "--address", "127.0.0.2", "--port", "31000")
    cluster = kubeconfig()["clusters"][0]["cluster"]
    assert cluster["server"] == "https://node-1.example.com:31000/authenticate"
    authority = x509.load_pem_x509_certificate(base64.b64decode(cluster["certificate-authority-data"]))
    certificate = x509.load_pem_x509_certificate((tmp_path / "state" / "cert.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)
    assert names_of(certificate) == {"node-1.example.com", "localhost", "127.0.0.1", "127.0.0.2", "::1"}
    assert output["kubeAPIServerFlags"] == [
        f"--authentication-token-webhook-config-file={tmp_path / 'kube' / 'config.yaml'}",
        "--authentication-token-webhook-version=v1",
    ]


def test_a_pair_of_aws_iam_authenticator(init, kubeconfig, tmp_path):
    """The self-signed certificate and key of aws-iam-authenticator are kept and trusted, and not signed again."""
    pair = new_ca("aws-iam-authenticator", datetime.now(UTC))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "cert.pem").write_bytes(pair.certificate_pem)
    (tmp_path / "state" / "key.pem").write_bytes(pair.key_pem)
    status, output, err = init()
    assert (status, names(output["written"]), names(output["kept"])) == (0, ["config.yaml"], ["cert.pem", "key.pem"])
    trusted = kubeconfig()["clusters"][0]["cluster"]["certificate-authority-data"]
    assert base64.b64decode(trusted) == pair.certificate_pem
    assert "not for the name localhost" in err


def test_another_hostname_later(init, tmp_path):
    """For another name the same CA, which kube-apiserver may have read, signs a new certificate."""
    init()
    authority = (tmp_path / "state" / "ca.pem").read_bytes()
    status, output, err = init("--hostname", "other.example.com")
    assert (status, names(output["written"]), err) == (0, ["cert.pem", "key.pem", "config.yaml"], "")
    certificate = x509.load_pem_x509_certificate((tmp_path / "state" / "cert.pem").read_bytes())
    assert "other.example.com" in names_of(certificate)
    assert (tmp_path / "state" / "ca.pem").read_bytes() == authority


def test_an_invalid_certificate_file(init, tmp_path):
    """A file that isn't a certificate is an error with its name and the next step."""
    init()
    (tmp_path / "state" / "cert.pem").write_text("nonsense")
    status, output, err = init()
    assert (status, output) == (2, {})
    assert err.startswith(f"authd: {tmp_path}/state/cert.pem: this is not a certificate: remove it and key.pem")


def test_mutual_tls(init, kubeconfig, tmp_path):
    """With --mutual-tls the kubeconfig has a client certificate of the same CA, which later runs keep."""
    init()
    _, output, _ = init("--mutual-tls")
    assert names(output["written"]) == ["config.yaml"]
    user = kubeconfig()["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    authority = x509.load_pem_x509_certificate((tmp_path / "state" / "ca.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)
    assert init("--mutual-tls")[1]["written"] == init()[1]["written"] == []
    assert kubeconfig()["users"][0]["user"] == user


@pytest.mark.parametrize("fault", ["another authority", "garbage"])
def test_an_unusable_client_certificate(init, kubeconfig, tmp_path, fault):
    """A client certificate that the daemon would refuse is replaced."""
    init("--mutual-tls")
    content = kubeconfig()
    client = new_client_leaf(new_ca("authd", datetime.now(UTC)), "kube-apiserver", datetime.now(UTC))
    pem = b"garbage" if fault == "garbage" else client.certificate_pem
    content["users"][0]["user"]["client-certificate-data"] = base64.b64encode(pem).decode()
    (tmp_path / "kube" / "config.yaml").write_text(yaml.safe_dump(content))
    assert names(init("--mutual-tls")[1]["written"]) == ["config.yaml"]
    assert kubeconfig()["users"][0]["user"] != content["users"][0]["user"]


@pytest.mark.parametrize("days", [-4000, 400], ids=["ended", "not yet valid"])
def test_a_ca_with_wrong_dates(init, kubeconfig, tmp_path, days):
    """A CA that isn't valid now is signed again with its own key, and written to the kubeconfig."""
    old = new_ca("authd", datetime.now(UTC) + timedelta(days=days))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "ca.pem").write_bytes(old.certificate_pem)
    (tmp_path / "state" / "ca-key.pem").write_bytes(old.key_pem)
    status, output, err = init()
    assert (status, names(output["kept"]), err) == (0, ["ca-key.pem"], "")
    cluster = kubeconfig()["clusters"][0]["cluster"]
    authority = x509.load_pem_x509_certificate(base64.b64decode(cluster["certificate-authority-data"]))
    assert authority.public_key() == x509.load_pem_x509_certificate(old.certificate_pem).public_key()
    assert authority.not_valid_before_utc < datetime.now(UTC) < authority.not_valid_after_utc


def test_a_ca_that_can_not_sign(init, tmp_path):
    """A CA whose key doesn't match is an error with the next step."""
    init()
    for name in ("cert.pem", "key.pem"):
        (tmp_path / "state" / name).unlink()
    (tmp_path / "state" / "ca-key.pem").write_bytes(new_ca("x", datetime.now(UTC)).key_pem)
    status, _, err = init()
    assert status == 2
    assert "authd: the CA can't sign (" in err
    assert "do not match): restore " in err
    assert "or remove them with cert.pem and key.pem to begin with a new one" in err


def test_mutual_tls_without_a_ca(init, tmp_path):
    """Without the CA's key, --mutual-tls is an error, because the client certificate can't be signed."""
    init()
    (tmp_path / "state" / "ca-key.pem").unlink()
    status, _, err = init("--mutual-tls")
    assert status == 2
    assert "the CA (ca.pem, ca-key.pem) can't be read" in err


def test_settings_file(init, kubeconfig, tmp_path):
    """The settings file is used, options override it, and requireClientCertificate is the same as --mutual-tls."""
    file = tmp_path / "c.yaml"
    file.write_text("clusterID: from-file\nserver: {port: 31001, hostname: a.test, requireClientCertificate: true}\n")
    _, output, _ = init("--config", str(file), "--port", "31002", cluster=())
    assert output["clusterID"] == "from-file"
    assert kubeconfig()["clusters"][0]["cluster"]["server"] == "https://a.test:31002/authenticate"
    assert "client-key-data" in kubeconfig()["users"][0]["user"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cluster": ()}, "give the cluster's id with -i ID, or a settings file"),
        ({"cluster": ("-i", " ")}, "--cluster-id: clusterID must be 1 to 1024 printable"),
        ({"cluster": ("-c", "/nowhere/c.yaml")}, "/nowhere/c.yaml: the settings file can't be read: No such file"),
        ({"cluster": ("-i", "c", "--port", "0")}, "--port 0 means any free port"),
        ({"cluster": ("-i", "c", "--port", "x")}, "--port: server.port must be a whole number"),
        ({"cluster": ("-i", "c", "--hostname", "a b")}, "--hostname: server.hostname must be a DNS name"),
    ],
)
def test_unusable_options(init, tmp_path, options, says):
    """Options that can't be used are an error, and nothing is written."""
    status, output, err = init(**options)
    assert (status, output) == (2, {})
    assert err.startswith(f"authd: {says}")
    assert not (tmp_path / "state").exists()


def test_a_state_directory_that_can_not_be_created(capsys, tmp_path):
    """A state directory that can't be created is an error with its path."""
    (tmp_path / "file").write_text("")
    assert main(["init", "-i", "c", "--state-dir", str(tmp_path / "file" / "state")]) == 2
    assert f"{tmp_path}/file/state: certificates can't be made here" in capsys.readouterr().err


def test_text_for_people(capsys, tmp_path):
    """The text lists the written files, flags, settings, and a command that can be copied."""
    paths = ["--state-dir", str(tmp_path / "s"), "--generate-kubeconfig", str(tmp_path / "k.yaml")]
    assert main(["init", "-i", "my cluster", "--mutual-tls", *paths]) == 0
    out = capsys.readouterr().out
    assert f"wrote  {tmp_path}/s/ca.pem\n" in out
    assert f"  --authentication-token-webhook-config-file={tmp_path}/k.yaml\n" in out
    assert "    requireClientCertificate: true\n" in out
    assert out.endswith("  authd-token -i 'my cluster'\n")


def test_files_for_upload(init, kubeconfig, tmp_path):
    """With --out the certificate is valid for ten years, its CA's key is not written, and the kubeconfig trusts it."""
    out = tmp_path / "out"
    status, output, err = init("--out", str(out))
    assert (status, names(output["written"]), err) == (0, ["cert.pem", "key.pem", "config.yaml"], "")
    assert sorted(path.name for path in out.iterdir()) == ["cert.pem", "config.yaml", "key.pem"]
    certificate = x509.load_pem_x509_certificate((out / "cert.pem").read_bytes())
    assert certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(days=3652)
    assert output["certificateEnds"] == certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert output["renewedByDaemon"] is False
    cluster = yaml.safe_load((out / "config.yaml").read_text())["clusters"][0]["cluster"]
    authority = x509.load_pem_x509_certificate(base64.b64decode(cluster["certificate-authority-data"]))
    certificate.verify_directly_issued_by(authority)
    assert names(init("--out", str(out))[1]["kept"]) == ["cert.pem", "key.pem", "config.yaml"]


def test_upload_with_the_ca(init, tmp_path):
    """With --with-ca the CA is among the files, and the daemon renews the certificate."""
    out = tmp_path / "out"
    status, output, _ = init("--out", str(out), "--with-ca", "--mutual-tls")
    assert (status, output["renewedByDaemon"], len(output["written"])) == (0, True, 5)
    certificate = x509.load_pem_x509_certificate((out / "cert.pem").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((out / "ca.pem").read_bytes()))
    assert "client-key-data" in (out / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--with-ca"], "--with-ca needs --out DIR"),
        (["--out", "OUT", "--mutual-tls"], "mutual TLS needs the CA in the state directory"),
    ],
)
def test_conflicting_upload_options(init, tmp_path, options, says):
    """Conflicting options are an error with the next step."""
    status, _, err = init(*(str(tmp_path / "out") if option == "OUT" else option for option in options))
    assert status == 2
    assert says in err


def test_missing_files_for_upload(init, tmp_path):
    """A missing kubeconfig is created again. A missing certificate is an error."""
    out = tmp_path / "out"
    init("--out", str(out))
    (out / "config.yaml").unlink()
    assert names(init("--out", str(out))[1]["written"]) == ["config.yaml"]
    (out / "cert.pem").unlink()
    status, _, err = init("--out", str(out))
    assert (status, "cert.pem: remove these" in err) == (2, True)
    (tmp_path / "file").write_text("")
    assert "certificates can't be made here" in init("--out", str(tmp_path / "file" / "out"))[2]


@pytest.mark.parametrize("name", ["aws-iam-authenticator", "heptio-authenticator-aws"])
def test_under_another_name(tmp_path, capsys, monkeypatch, name):
    """Called as aws-iam-authenticator, init writes its three files to the current folder, and prints to stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [f"/usr/bin/{name}"])
    assert main(["init", "-i", "c"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["cert.pem", "key.pem", f"{name}.kubeconfig"])
    out, err = capsys.readouterr()
    assert out == ""
    assert "The certificate ends at 20" in err
    assert f"cert.pem to /var/{name}/cert.pem" in err
    assert f"config-file=/etc/kubernetes/{name}/kubeconfig.yaml" in err
    assert main(["init"]) == 1
    monkeypatch.setenv("KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID", "c")
    assert main(["init"]) == 0


def test_a_second_kubeconfig_for_upload_with_mutual_tls(init, tmp_path):
    """If only the kubeconfig is missing, --mutual-tls puts a client certificate into the new one."""
    options = ("--out", str(tmp_path / "out"), "--with-ca", "--mutual-tls")
    init(*options)
    path = tmp_path / "out" / "config.yaml"
    path.unlink()
    init(*options)
    assert "client-certificate-data" in yaml.safe_load(path.read_text())["users"][0]["user"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_certificate_that_is_no_file(init, tmp_path, make):
    """A folder or a pipe in place of a file is an error. Reading the pipe would wait for ever."""
    (tmp_path / "state").mkdir()
    make(tmp_path / "state" / "cert.pem")
    status, _, err = init()
    assert status == 2
    assert f"{tmp_path}/state/cert.pem: certificates can't be made here: " in err
