import os
import time

from hanas.study.clocks import bring_to_the_present


def test_only_what_is_of_the_future_gets_the_time_of_now(tmp_path):
    now = time.time()
    times = {"old": now - 100, "soon": now + 1, "tomorrow": now + 86_400, "a/next_year": now + 3e7}
    for name, changed in times.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        os.utime(path, (changed, changed))
    early = bring_to_the_present(tmp_path)
    assert {path.name for path in early} == {"tomorrow", "next_year"}
    for name, changed in times.items():
        found = (tmp_path / name).stat().st_mtime
        assert abs(found - (changed if name in ("old", "soon") else now)) < 1
        assert (tmp_path / name).read_text() == name
    assert bring_to_the_present(tmp_path) == []


def test_a_folder_that_is_not_there_has_no_files_of_the_future(tmp_path):
    assert bring_to_the_present(tmp_path / "gone") == []
