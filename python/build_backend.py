"""Builds the wheel of one pure module (PEP 517, PEP 427), so that pip installs it from the source tree without fetching a build tool first."""

import base64
import hashlib
import io
import os
import tarfile
import zipfile

NAME = "sourceos_statestore"
VERSION = "0.1.0a1"
_HERE = os.path.dirname(os.path.abspath(__file__))
_EPOCH = (1980, 1, 1, 0, 0, 0)
_METADATA = f"""Metadata-Version: 2.1
Name: sourceos-statestore
Version: {VERSION}
Summary: A device's state of record: a typed layer over libsourceos_statestore
License: MIT
Requires-Python: >=3.9
"""
_WHEEL = """Wheel-Version: 1.0
Generator: sourceos-statestore
Root-Is-Purelib: true
Tag: py3-none-any
"""


def get_requires_for_build_wheel(config_settings=None):
    return []


def get_requires_for_build_sdist(config_settings=None):
    return []


def _read(name):
    with open(os.path.join(_HERE, name), "rb") as file:
        return file.read()


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = f"{NAME}-{VERSION}.dist-info"
    files = {f"{NAME}.py": _read(f"{NAME}.py"), f"{info}/METADATA": _METADATA.encode(), f"{info}/WHEEL": _WHEEL.encode()}
    record = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    wheel = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return wheel


def build_sdist(sdist_directory, config_settings=None):
    base = f"{NAME}-{VERSION}"
    with tarfile.open(os.path.join(sdist_directory, base + ".tar.gz"), "w:gz") as archive:
        for name in (f"{NAME}.py", f"test_{NAME}.py", "build_backend.py", "pyproject.toml"):
            archive.add(os.path.join(_HERE, name), f"{base}/{name}")
        member = tarfile.TarInfo(f"{base}/PKG-INFO")
        member.size = len(_METADATA.encode())
        archive.addfile(member, io.BytesIO(_METADATA.encode()))
    return base + ".tar.gz"
