"""True accuracies.

Writes  results/benchmarks/{space}/{dataset}.parquet   test accuracy of every architecture
        results/benchmarks/{space}/{dataset}.json      where it comes from
"""


rule accuracy_table:
    input:
        files=benchmark_files,
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
        cfg=lambda w: settings("accuracy_table", "benchmarks", w.space, w.dataset),
    script:
        "../workflow_scripts/accuracy_table.py"
