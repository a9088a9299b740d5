"""The explorer: all fronts of the study in one page that a browser opens from disk.

Writes  results/explorer.html   the page; it needs no network
        results/explorer.json   how it was made
"""

EXPLORER_PARTS = {
    "page": "page.html",
    "style": "style.css",
    "script": "explorer.js",
}


# A study of supernets alone has no front to show.
EXPLORER = ["results/explorer.html"] if explorer_rows() else []


rule explorer:
    input:
        explorer_files,
        **{part: shipped("explorer", name) for part, name in EXPLORER_PARTS.items()},
    output:
        page=report(
            "results/explorer.html",
            caption=captioned("explorer"),
            category=CHAPTERS["fronts"],
            labels={"device": "all", "task": "all", "what": "a page to explore"},
        ),
        facts=report(
            "results/explorer.json",
            caption=captioned("facts"),
            category=CHAPTERS["provenance"],
            labels={"of": "explorer", "device": "all"},
        ),
    log:
        "logs/explorer.log",
    conda:
        "../envs/hanas.yaml"
    params:
        cfg={"revision": REVISIONS["explorer"], "rows": explorer_rows()},
    script:
        "../workflow_scripts/explorer.py"
