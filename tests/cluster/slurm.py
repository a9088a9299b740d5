"""A real SLURM of one node on the loopback address: no systemd, nothing outside one folder.

Its daemons (munge for authentication, MariaDB and slurmdbd for the accounting, the controller and
the node) run in the foreground as children of this process, and the kernel ends them with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

#: Commands that it is made of, and Debian's packages that bring them.
COMMANDS = {
    "munged": "munge",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "slurmdbd": "slurmdbd",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "setpriv": "util-linux",
}
SECONDS_TO_START = 60

#: More than the machine may have, so that the tests do not depend on it: jobs share its cores.
CPUS = 6
MEMORY_MB = 64_000

# Memory limits are usually kept by control groups. Those are not to be had in every container, so
# here SLURM itself measures every second what a job holds and ends it when that is too much.
SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={controller_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu
KillWait=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} RealMemory={memory_mb} Gres=gpu:1
PartitionName={partition} Nodes=ALL Default=NO MaxTime=INFINITE
"""

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounting_port}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm_acct_db
"""

DATABASE = """\
create database slurm_acct_db;
create user slurm@localhost;
grant all on slurm_acct_db.* to slurm@localhost;
"""

# Snakemake's job steps drop all variables that begin with SLURM_ before they call srun, which then
# takes the settings in /etc. Ours are not there.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""


def missing_packages() -> list[str]:
    """Return the Debian packages that must be installed first."""
    return sorted({package for command, package in COMMANDS.items() if not _where(command)})


def _where(command: str) -> str | None:
    # Daemons lie where a user's PATH does not look.
    return shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _processes(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:  # it ended, or is another user's
            continue
        if str(folder).encode() in known and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def _remove(folder: Path) -> None:
    for pid in _processes(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


def _remove_leftovers() -> None:
    """Remove the clusters of tests that were killed, with the jobs that still run there."""
    for lock in Path("/tmp").glob("hanas_slurm_*/lock"):
        with lock.open("wb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # its test lives
                continue
            _remove(lock.parent)


@dataclass
class Slurm:
    """A cluster with one partition, and one account for the user who runs the tests."""

    partition: str
    account: str
    folder: Path = field(
        default_factory=lambda: Path(tempfile.mkdtemp(prefix="hanas_slurm_", dir="/tmp"))
    )
    node: str = field(default_factory=lambda: socket.gethostname().split(".")[0])
    _daemons: list[tuple[str, subprocess.Popen]] = field(default_factory=list)
    _lock: IO[bytes] | None = None

    # ---- start and stop --------------------------------------------------------------

    def start(self) -> None:
        """Start all daemons and wait until the node takes jobs."""
        _remove_leftovers()
        self._lock = (self.folder / "lock").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._write_settings()
        self._run_daemon(
            *("munged", "--foreground", "--force", f"--key-file={self.folder}/munge.key"),
            *(f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munged.pid"),
            *(f"--log-file={self.folder}/munge.log", f"--seed-file={self.folder}/munge.seed"),
        )
        self._start_accounting()
        self._run_daemon("slurmctld", "-D", "-c", "-f", str(self.folder / "slurm.conf"))
        self._run_daemon("slurmd", "-D", "-c", "-f", str(self.folder / "slurm.conf"))
        self._wait_until(lambda: self.node_state() == "idle", "the node takes jobs")

    def _write_settings(self) -> None:
        controller_port, node_port, accounting_port = _free_ports(3)
        values = {
            **{"folder": self.folder, "host": self.node, "user": getpass.getuser()},
            **{"partition": self.partition, "cpus": CPUS, "memory_mb": MEMORY_MB},
            **{"controller_port": controller_port, "node_port": node_port},
            **{"accounting_port": accounting_port, "srun": _where("srun")},
        }
        for folder in ("state", "spool", "bin"):
            (self.folder / folder).mkdir()
        files = {"slurm.conf": SLURM_CONF, "slurmdbd.conf": SLURMDBD_CONF, "bin/srun": SRUN}
        for name, text in files.items():
            (self.folder / name).write_text(text.format(**values), encoding="utf-8")
        # SLURM only hands it out: any device file will do.
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n", encoding="utf-8")
        (self.folder / "cgroup.conf").write_text("ConstrainRAMSpace=no\n", encoding="utf-8")
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (self.folder / "munge.key").chmod(0o400)
        (self.folder / "slurmdbd.conf").chmod(0o600)
        (self.folder / "bin/srun").chmod(0o755)

    def _start_accounting(self) -> None:
        database, connection = self.folder / "database", f"--socket={self.folder}/database.socket"
        self.ask(
            *("mariadb-install-db", "--no-defaults", f"--datadir={database}", "--skip-test-db"),
            *(f"--user={getpass.getuser()}", "--auth-root-authentication-method=normal"),
        )
        self._run_daemon(
            *("mariadbd", "--no-defaults", f"--datadir={database}", connection),
            *(f"--user={getpass.getuser()}", "--skip-networking", "--innodb-log-file-size=8M"),
            *(f"--pid-file={self.folder}/mariadbd.pid", "--innodb-lock-wait-timeout=900"),
        )
        client = ("mariadb", "--no-defaults", "--user=root", connection)
        self._wait_until(
            lambda: self.answers(*client, "--execute=select 1"), "the database answers"
        )
        self.ask(*client, f"--execute={DATABASE}")
        self._run_daemon("slurmdbd", "-D")
        self._wait_until(
            lambda: self.answers("sacctmgr", "-n", "list", "cluster"), "slurmdbd answers"
        )
        for added in (
            ("cluster", "test"),
            ("account", self.account),
            ("user", getpass.getuser(), f"account={self.account}"),
        ):
            # It fails for what is there already, as root is.
            self.answers("sacctmgr", "-i", "add", *added)

    def _run_daemon(self, name: str, *arguments: str) -> None:
        # The kernel ends it when this process ends, however that happens.
        command = ["setpriv", "--pdeathsig", "KILL", str(_where(name)), *arguments]
        with (self.folder / f"{name}.out").open("wb") as out:
            process = subprocess.Popen(
                command,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
        self._daemons.append((name, process))

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not condition():
            for name, process in self._daemons:
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended before {what}:\n{self._last_words(name)}")
            if time.monotonic() > deadline:
                words = "\n".join(self._last_words(name) for name, _ in self._daemons)
                raise TimeoutError(f"not in {SECONDS_TO_START} s: {what}\n{words}")
            time.sleep(0.1)

    def _last_words(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text(encoding="utf-8", errors="replace")[-2000:]

    def stop(self) -> None:
        """End all jobs and daemons and remove the folder."""
        self.answers("scancel", "--user", getpass.getuser())
        deadline = time.monotonic() + 10
        while self._run("squeue", "--noheader").stdout and time.monotonic() < deadline:
            time.sleep(0.1)
        for _, process in reversed(self._daemons):
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _remove(self.folder)
        if self._lock:
            self._lock.close()

    def processes(self) -> list[int]:
        """Return all processes but this one that know the cluster: its daemons, its jobs."""
        return _processes(self.folder)

    # ---- use -------------------------------------------------------------------------

    def environment(self, outer: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the variables with which commands speak to this cluster."""
        # A job of another cluster may be what runs the tests.
        kept = {key: value for key, value in outer.items() if not key.startswith("SLURM_")}
        return {
            **kept,
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "MYSQL_UNIX_PORT": str(self.folder / "database.socket"),
            "PATH": f"{self.folder}/bin:{outer['PATH']}",
        }

    def ask(self, *command: str) -> str:
        """Run a command of SLURM's and return what it prints; it must succeed."""
        done = self._run(*command)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def answers(self, *command: str) -> bool:
        """Return whether a command succeeds."""
        return self._run(*command).returncode == 0

    def _run(self, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_TO_START,
            check=False,
        )

    def node_state(self) -> str:
        """Return the state of the node: idle, mixed, allocated, drained, ..."""
        return self._run("sinfo", "--noheader", "--format=%T").stdout.strip()

    def set_node(self, state: str) -> None:
        """Drain or resume the node."""
        reason = ["Reason=test"] if state == "drain" else []
        self.ask("scontrol", "update", f"NodeName={self.node}", f"State={state}", *reason)

    def queue(self) -> list[dict[str, str]]:
        """Return the jobs that wait or run."""
        fields = {"id": "%A", "state": "%T", "reason": "%r", "comment": "%k"}
        return self._rows(
            "squeue", list(fields), "--noheader", "--format=" + "|".join(fields.values())
        )

    def accounts(self) -> list[dict[str, str]]:
        """Return what the accounting says of all jobs there ever were."""
        fields = ["JobIDRaw", "JobName", "State", "Comment", "Partition", "Account", "NodeList"]
        fields += ["AllocTRES"]
        options = ("-X", "--allusers", "--noheader", "--parsable2", "--starttime=now-1days")
        return self._rows("sacct", fields, *options, "--format=" + ",".join(fields))

    def _rows(self, command: str, fields: list[str], *options: str) -> list[dict[str, str]]:
        lines = self.ask(command, *options).splitlines()
        return [dict(zip(fields, line.split("|"), strict=True)) for line in lines]
