"""Write trained networks as ONNX, in float32 and INT8, and test both."""

from hanas.core import plugins
from hanas.core.files import read_parquet, write_csv
from hanas.deploy import litert
from hanas.deploy.exporting import export_retrained
from hanas.deploy.quantisation import Quantisation
from hanas.study.jobs import job

with job(snakemake) as facts:
    cfg = snakemake.params.cfg
    space = plugins.space(cfg["space"])
    metrics = read_parquet(snakemake.input.metrics)
    if "on_trained_front" in metrics:  # of a peeled front, the others were only tried
        metrics = metrics[metrics["on_trained_front"].to_numpy(dtype=bool)]
    table = export_retrained(
        snakemake.input.weights,
        metrics,
        snakemake.input.images,
        space=space.name,
        network=space.deployed.read(cfg["network"], "network"),
        resolution=cfg["training"]["resolution"],
        quantisation=Quantisation.read(cfg["quantisation"], "quantisation"),
        formats=cfg["formats"],
        litert_python=cfg.get("litert_python", litert.PYTHON),
        folder=snakemake.output.models,
        threads=snakemake.threads,
    )
    table.insert(2, "role", metrics["role"].to_numpy())
    write_csv(table, snakemake.output.accuracies)
    facts["sources"] = sorted(set(table["sources"]))
