"""Names of files in settings are found where Snakemake brought the files."""

from hanas.study.jobs import located, name_of

HISTORY = "results/searches/toy/tx2/gdas/nsga2.parquet"
BROUGHT = f".snakemake/storage/s3/bucket/{HISTORY}"


def test_settings_name_the_files_where_they_lie():
    settings = {"rows": [{"file": HISTORY, "label": "NSGA", "seeds": 2}], "device": "tx2"}
    assert located(settings, [HISTORY]) == settings
    assert located(settings, [BROUGHT]) == {
        "rows": [{"file": BROUGHT, "label": "NSGA", "seeds": 2}],
        "device": "tx2",
    }
    assert settings["rows"][0]["file"] == HISTORY


def test_name_in_the_study():
    assert name_of(BROUGHT) == name_of(HISTORY) == HISTORY
    # A user's own file is no result, wherever it lies.
    assert name_of("/home/me/results/board.csv") == "/home/me/results/board.csv"
