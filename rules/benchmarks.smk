"""True accuracies.

Writes  results/benchmarks/{space}/{dataset}.parquet   test accuracy of every architecture
        results/benchmarks/{space}/{dataset}.json      where it comes from
        results/benchmarks/nats_bench.parquet          the cells of NATS-Bench, read once for all
"""


rule nats_bench_cells:
    input:
        folder=nats_bench_folder,
    output:
        table="results/benchmarks/nats_bench.parquet",
        facts="results/benchmarks/nats_bench.json",
    log:
        "logs/nats_bench_cells.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg=lambda w: {"revision": REVISIONS["accuracy_table"]},
    script:
        "../workflow_scripts/nats_bench_cells.py"


rule accuracy_table:
    input:
        unpack(benchmark_files),
    output:
        table="results/benchmarks/{space}/{dataset}.parquet",
        facts="results/benchmarks/{space}/{dataset}.json",
    log:
        "logs/accuracy_table/{space}/{dataset}.log",
    conda:
        "../envs/hanas.yaml"
    resources:
        data_folder=str(DATA),
    params:
        cfg=lambda w: with_bundle(
            settings("accuracy_table", "benchmarks", w.space, w.dataset)
        ),
    script:
        "../workflow_scripts/accuracy_table.py"
