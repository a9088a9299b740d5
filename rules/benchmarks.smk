"""True accuracies.

Writes  results/benchmarks/{space}/{dataset}.parquet   test accuracy of every architecture
        results/benchmarks/{space}/{dataset}.json      where it comes from
        results/benchmarks/nats_bench.parquet          the cells of NATS-Bench, read once for all
"""


rule nats_bench_cells:
    input:
        unpack(inputs(graph.nats_bench_cells)),
    output:
        table="results/benchmarks/nats_bench.parquet",
        facts="results/benchmarks/nats_bench.json",
    log:
        "logs/nats_bench_cells.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.nats_bench_cells),
    script:
        "../workflow_scripts/nats_bench_cells.py"


rule accuracy_table:
    input:
        unpack(inputs(graph.accuracy_table)),
    output:
        table="results/benchmarks/{space}/{dataset}.parquet",
        facts="results/benchmarks/{space}/{dataset}.json",
    log:
        "logs/accuracy_table/{space}/{dataset}.log",
    conda:
        ENVIRONMENT
    resources:
        # Not a parameter: where the files lie does not change what is in them.
        data_folder=str(graph.data),
    params:
        cfg=cfg(graph.accuracy_table),
    script:
        "../workflow_scripts/accuracy_table.py"
