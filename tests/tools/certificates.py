"""A certificate authority for tests, by the openssl command."""
import os
import subprocess

KEYS = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        "rsa": ["-newkey", "rsa:2048"]}


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


class Identity:
    """Files of one certificate with its key."""

    def __init__(self, folder, name):
        self.cert, self.key = (os.path.join(folder, name + end) for end in (".crt", ".key"))

    def sha256(self):
        result = subprocess.run(["openssl", "x509", "-in", self.cert, "-noout", "-fingerprint",
                                 "-sha256"], check=True, capture_output=True, text=True)
        return result.stdout.strip().split("=")[1].replace(":", "").lower()


class Authority(Identity):
    def __init__(self, folder, name="ca"):
        super().__init__(folder, name)
        self.folder = folder
        openssl("req", "-x509", *KEYS["ec"], "-nodes", "-keyout", self.key, "-out", self.cert,
                "-days", "2", "-subj", "/CN=" + name,
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 insists

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", key="ec", common_name=None, days=2):
        identity = Identity(self.folder, name)
        request = os.path.join(self.folder, name + ".csr")
        extensions = os.path.join(self.folder, name + ".ext")
        with open(extensions, "w") as file:
            file.write("basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\n"
                       "authorityKeyIdentifier=keyid\n" +
                       (f"subjectAltName={names}\n" if names else ""))
        openssl("req", *KEYS[key], "-nodes", "-keyout", identity.key, "-out", request, "-subj",
                "/CN=" + (common_name or name))
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key,
                "-CAcreateserial", "-days", str(days), "-extfile", extensions, "-out", identity.cert)
        return identity
