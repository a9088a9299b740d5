import hashlib

import pytest

from hanas.core.errors import InputError
from hanas.data.published_files import KnownFile

CONTENT = bytes(range(250)) * 1200
KNOWN = KnownFile("images.tar.gz", "md5", hashlib.md5(CONTENT).hexdigest(), len(CONTENT))


def test_known_file_tells_what_is_wrong(tmp_path):
    path = tmp_path / "images.tar.gz"
    with pytest.raises(InputError, match="there is no such file; do this"):
        KNOWN.verify(path, "do this")
    path.write_bytes(CONTENT)
    KNOWN.verify(path, "do this")
    path.write_bytes(CONTENT[:1000])
    actual = hashlib.md5(CONTENT[:1000]).hexdigest()
    message = rf"MD5 is {actual}, expected {KNOWN.checksum} \(1,000 bytes, expected 300,000\)"
    with pytest.raises(InputError, match=f"{message}.*do this"):
        KNOWN.verify(path, "do this")
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(InputError, match=r"\(300,000 bytes, expected 300,000\)"):
        KNOWN.verify(path, "do this")
