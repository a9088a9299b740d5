"""List every architecture of a space."""

from hanas import plugins
from hanas.files import write_parquet
from hanas.jobs import logged
from hanas.tables import space_table

with logged(snakemake.log[0]):
    space = plugins.load("spaces", snakemake.params.cfg["space"])
    write_parquet(space_table(space), snakemake.output[0])
