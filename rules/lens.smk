"""What each choice of a search space is worth on a device.

Writes  results/spaces/{space}/{device}/lens.md, .csv   effects of every choice, in words and as a table
        results/spaces/{space}/{device}/lens.yaml       a smaller space, to be searched next
        results/spaces/{space}/{device}/lens.svg, ...   a figure of them
        results/spaces/{space}/{device}/lens.json       how they were made
        results/spaces/{smaller}.yaml                   the space of a second stage, declared with kind: lens
        results/gained/{task}/{device}.md, .csv         what searching it gained

Where several tasks have the space, each has its own: lens_{task}.md and so on.
"""


rule lens:
    input:
        unpack(inputs(graph.lens)),
    output:
        **drawn("results/spaces/{space}/{device}/{lens}", "lens"),
        md=shown("results/spaces/{space}/{device}/{lens}.md", "lens_page"),
        csv="results/spaces/{space}/{device}/{lens}.csv",
        yaml="results/spaces/{space}/{device}/{lens}.yaml",
        facts=shown("results/spaces/{space}/{device}/{lens}.json", "facts"),
    log:
        "logs/lens/{space}/{device}/{lens}.log",
    wildcard_constraints:
        lens=r"lens(_[A-Za-z0-9_]+)?",
    conda:
        ENVIRONMENT
    threads: cores(graph.lens)
    resources:
        gpu=gpus(graph.lens),
    params:
        cfg=cfg(graph.lens),
    script:
        "../workflow_scripts/lens.py"


rule smaller_space:
    input:
        unpack(inputs(graph.smaller_space)),
    output:
        declaration="results/spaces/{smaller}.yaml",
        facts="results/spaces/{smaller}.json",
    log:
        "logs/smaller_space/{smaller}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.smaller_space),
    script:
        "../workflow_scripts/smaller_space.py"


rule gained:
    input:
        unpack(inputs(graph.gained)),
    output:
        md=shown("results/gained/{task}/{device}.md", "gained"),
        csv="results/gained/{task}/{device}.csv",
        facts=shown("results/gained/{task}/{device}.json", "facts"),
    log:
        "logs/gained/{task}/{device}.log",
    conda:
        ENVIRONMENT
    params:
        cfg=cfg(graph.gained),
    script:
        "../workflow_scripts/gained.py"
