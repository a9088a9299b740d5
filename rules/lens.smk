"""What each choice of a search space is worth on a device.

Writes  results/spaces/{space}/{device}/lens.md, .csv   effects of every choice, in words and as a table
        results/spaces/{space}/{device}/lens.yaml       a smaller space, to be searched next
        results/spaces/{space}/{device}/lens.svg, ...   a figure of them
        results/spaces/{space}/{device}/lens.json       how they were made

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
        "../envs/hanas.yaml"
    threads: cores(graph.lens)
    resources:
        gpu=gpus(graph.lens),
    params:
        cfg=cfg(graph.lens),
    script:
        "../workflow_scripts/lens.py"
