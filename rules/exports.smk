"""Models to deploy.

Writes  results/exports/{retraining}/models/{number}/      ONNX files, float32 and INT8
        results/exports/{retraining}/accuracies.csv        accuracy of both, a model a row
        results/exports/{retraining}/latency/{device}.csv  measured latency of the models
        results/models/{retraining}/{number}/              model.onnx, model.int8.onnx, model.json
        results/models/{retraining}.csv                    all of it, a model and device a row
        results/models/{retraining}.md                     accuracies, class by class, and warnings
        results/figures/front_spaces.*                     error against latency of several
        results/exports/{retraining}/rknn/{device}.*       what a Rockchip NPU makes of them; on demand
and the .json of how each was made.
"""


rule export:
    input:
        unpack(inputs(graph.export)),
    output:
        models=directory("results/exports/{retraining}/models"),
        accuracies="results/exports/{retraining}/accuracies.csv",
        facts="results/exports/{retraining}/accuracies.json",
    log:
        "logs/export/{retraining}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.export),
    script:
        "../workflow_scripts/export.py"


rule measure_models:
    input:
        unpack(inputs(graph.measure_models)),
    output:
        measured="results/exports/{retraining}/latency/{device}.csv",
        facts="results/exports/{retraining}/latency/{device}.json",
    log:
        "logs/measure_models/{retraining}/{device}.log",
    conda:
        ENVIRONMENT
    threads: cores(graph.measure_models)
    resources:
        measuring=1,
    params:
        cfg=cfg(graph.measure_models),
    script:
        "../workflow_scripts/measure_models.py"


rule model_cards:
    input:
        unpack(inputs(graph.model_cards)),
    output:
        models=directory("results/models/{retraining}"),
        table=shown("results/models/{retraining}.csv", "models"),
        page=shown("results/models/{retraining}.md", "models_page"),
        facts=shown("results/models/{retraining}.json", "facts"),
    log:
        "logs/model_cards/{retraining}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.model_cards),
    script:
        "../workflow_scripts/model_cards.py"


rule rknn_report:
    input:
        unpack(inputs(graph.rknn_report)),
    output:
        accuracies="results/exports/{retraining}/rknn/{device}.csv",
        fallbacks="results/exports/{retraining}/rknn/{device}.fallbacks.csv",
        facts="results/exports/{retraining}/rknn/{device}.json",
    log:
        "logs/rknn_report/{retraining}/{device}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.rknn_report),
    script:
        "../workflow_scripts/rknn_report.py"


rule figure_front_spaces:
    input:
        unpack(inputs(graph.figure_front_spaces)),
    output:
        **drawn("results/figures/front_spaces", "front_spaces"),
        data="results/figures/front_spaces.parquet",
        facts="results/figures/front_spaces.json",
    log:
        "logs/figures/front_spaces.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.figure_front_spaces),
    script:
        "../workflow_scripts/figure_front_spaces.py"
