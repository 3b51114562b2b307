"""The private PostGIS cluster: where no DATABASE_URL is given, every command starts it on demand.

It lives in `<home>/postgres/<major version>`, listens on a Unix socket in a folder that only its owner can open, never
on TCP, and trusts whoever gets there. PostgreSQL refuses root, so root's cluster belongs to the user `postgres`.
"""

import fcntl
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, urlencode

import psycopg

from server.pgbinaries import OLDEST, Binaries, find_binaries
from server.pgtuning import memory_limit, tuned

OWNER = "opennrw_owner"
READER = "opennrw_reader"
DATABASE = "opennrw"
PORT = 5432  # only names the socket file
# the kernel takes 107 bytes; `/.s.PGSQL.5432.lock` is put behind the folder
LONGEST_SOCKET_FOLDER = 85
START_TIMEOUT = 300  # recovery after a crash replays up to max_wal_size
PACKAGES = "apt-get install postgresql-postgis"


class ClusterError(Exception):
    """The private cluster cannot be had; the text says why and what to do."""


def to_url(user: str, database: str, host: str | Path, port: int = PORT) -> str:
    """A libpq URL that psycopg, psql and GDAL read; host may be a socket folder."""
    return f"postgresql://{quote(user)}@/{quote(database)}?{urlencode({'host': str(host), 'port': port})}"


class PrivateCluster:
    """One cluster under a home folder. Commands share it: `session()` starts it, the last one out stops it."""

    def __init__(self, home: Path, options: Mapping[str, str] = MappingProxyType({})) -> None:
        self._folder = home.absolute() / "postgres"
        self._options = options
        self._account = _unprivileged_account()
        self._binaries: Binaries | None = None

    # where it is

    @property
    def binaries(self) -> Binaries:
        if self._binaries is None:
            self._binaries = choose_binaries(find_binaries(), self._folder)
        return self._binaries

    @property
    def data(self) -> Path:
        return self._folder / str(self.binaries.major)

    @property
    def log(self) -> Path:
        return self._folder / f"{self.binaries.major}.log"

    @property
    def owner_url(self) -> str:
        return self._url(OWNER, DATABASE)

    @property
    def reader_url(self) -> str:
        return self._url(READER, DATABASE)

    def _url(self, user: str, database: str) -> str:
        if (running := self._postmaster()) is None:
            raise ClusterError(f"The private cluster {self.data} is not running; `opennrw db start` starts it.")
        return to_url(user, database, *running)

    def running(self) -> bool:
        return self._postmaster() is not None

    # life

    def start(self, *, keep: bool = True) -> bool:
        """Starts the cluster, makes it where there is none; True if it did not run before.

        `keep`: it stays when its last user is gone, until `stop()`.
        """
        with self._lock():
            started = self._start()
            if keep:
                self._keep.touch()
        return started

    def stop(self) -> bool:
        """Stops the cluster, also under sessions of other commands; False if none ran."""
        with self._lock():
            self._keep.unlink(missing_ok=True)
            return self._stop()

    @contextmanager
    def session(self) -> Iterator["PrivateCluster"]:
        """The running cluster, while the block lasts; the last block to end stops it unless it was to be kept."""
        with self._lock():
            users = (self._folder / "sessions.lock").open("a")
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                self._start()
            except BaseException:
                users.close()
                raise
        try:
            yield self
        finally:
            with self._lock(), users:
                if not self._keep.exists() and self._last(users.fileno()):
                    self._stop()
                fcntl.flock(users, fcntl.LOCK_UN)  # a forked child may still hold the file open

    @staticmethod
    def _last(users: int) -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    @property
    def _keep(self) -> Path:
        return self._folder / "keep"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One command at a time makes, starts or stops the cluster."""
        self._make_folder()
        with (self._folder / "start.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make_folder(self) -> None:
        missing = [folder for folder in (self._folder, *self._folder.parents) if not folder.exists()]
        try:
            for folder in reversed(missing):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o755 if self._account else 0o700)  # a strict umask would shut the account out
        except OSError as error:
            raise ClusterError(
                f"The folder {self._folder} for the private cluster cannot be made: {error.strerror}. "
                "Set OPENNRW_HOME to a folder that you may write to, or DATABASE_URL to a PostGIS database."
            ) from error

    def _start(self) -> bool:
        if self._postmaster() is not None:
            self._wait_until_ready()
            return False
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._tidy_up()
        self._configure(self._make_socket_folder())
        self._launch()
        self._wait_until_ready()
        self._make_database()
        return True

    def _tidy_up(self) -> None:
        """Removes what kill -9 or a power cut left: PostgreSQL would refuse the file if its number is in use again.

        Not before the killed server's children have ended: they may still write, which PostgreSQL knows from the file.
        """
        deadline = time.monotonic() + 15
        while children := _processes_in(self.data):
            if time.monotonic() > deadline:
                numbers = ", ".join(map(str, children))
                raise ClusterError(
                    f"Processes of a killed server still work in {self.data}: {numbers}. End them first."
                )
            time.sleep(0.2)
        if Path("/proc/self").exists():
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            for file in (self._folder / "socket").glob(".s.PGSQL.*"):
                file.unlink()

    def _initialise(self) -> None:
        draft = self._folder / f"{self.binaries.major}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._give(draft)
        self._check_reachable(draft)
        arguments = [
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth=trust",
            f"--username={OWNER}",
            "--pgdata",
            str(draft),
        ]
        if self._options.get("fsync") == "off":
            arguments.append("--no-sync")
        done = self._run("initdb", *arguments)
        if done.returncode != 0:
            raise ClusterError(f"initdb could not make the private cluster in {draft}: {done.stderr.strip()}")
        with (draft / "postgresql.conf").open("a") as conf:
            conf.write(
                "\n# rewritten at every start\ninclude 'opennrw.conf'\n# yours\ninclude_if_exists 'local.conf'\n"
            )
        (draft / "pg_hba.conf").write_text("# the socket's folder is open to the owner only\nlocal all all trust\n")
        draft.rename(self.data)  # whole or not at all, whatever interrupts

    def _check_reachable(self, folder: Path) -> None:
        if self._account and self._call(["test", "-w", str(folder)]).returncode != 0:
            raise ClusterError(
                f"PostgreSQL runs as the user {self._account.pw_name}, who cannot open {folder}. Set OPENNRW_HOME to a "
                "folder whose parents everyone may enter (root's default is /var/lib/opennrw)."
            )

    def _configure(self, socket_folder: Path) -> None:
        settings = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(socket_folder),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "log_checkpoints": "off",
            "jit": "off",
            **tuned(memory_limit()),
            **self._options,
        }
        path = self.data / "opennrw.conf"
        path.write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        self._give(path)

    def _make_socket_folder(self) -> Path:
        folder = self._folder / "socket"
        text = str(folder)
        if len(os.fsencode(text)) > LONGEST_SOCKET_FOLDER or not re.fullmatch(r"[\w/.~+-]+", text, re.ASCII):
            folder = Path(tempfile.mkdtemp(prefix="opennrw-"))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
        self._give(folder)
        return folder

    def _launch(self) -> None:
        self.log.write_text("")
        self._give(self.log)
        arguments = [
            "start",
            "--wait",
            f"--timeout={START_TIMEOUT}",
            "--pgdata",
            str(self.data),
            "--log",
            str(self.log),
        ]
        if self._run("pg_ctl", *arguments).returncode != 0:
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-6:])
            raise ClusterError(f"The private cluster {self.data} did not start. Its log {self.log} ends with:\n{last}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                psycopg.connect(self._url(OWNER, "postgres")).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise ClusterError(f"The private cluster {self.data} does not answer: {error}") from error
                time.sleep(0.1)

    def _make_database(self) -> None:
        with psycopg.connect(self._url(OWNER, "postgres"), autocommit=True) as connection:
            if connection.execute("select from pg_database where datname = %s", [DATABASE]).rowcount == 0:
                connection.execute(f"create database {DATABASE}")

    def _stop(self) -> bool:
        if (running := self._postmaster()) is None:
            return False
        done = self._run("pg_ctl", "stop", "--mode=fast", "--wait", "--timeout=120", "--pgdata", str(self.data))
        if done.returncode != 0 and self.running():
            raise ClusterError(f"The private cluster {self.data} does not stop: {done.stderr.strip()}. See {self.log}.")
        if running[0].parent != self._folder:
            shutil.rmtree(running[0], ignore_errors=True)
        return True

    def _postmaster(self) -> tuple[Path, int] | None:
        """Socket folder and port of the running server, from postmaster.pid; None if none runs, also if it is stale."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid, port, socket_folder = int(lines[0]), int(lines[3]), Path(lines[4])
        except (OSError, ValueError, IndexError):
            return None
        return (socket_folder, port) if _works_in(pid, self.data) else None

    # as whom

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._call([self.binaries.program(program), *arguments])

    def _call(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a program as the cluster's account, without our environment: PGDATA, PROJ_DATA, LANG mislead it."""
        account = self._account
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",  # root's current folder may be closed to the account
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"},
            start_new_session=True,  # Ctrl-C is ours to handle
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )

    def _give(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)


def choose_binaries(found: list[Binaries], folder: Path) -> Binaries:
    """The version that made the cluster in `folder`, else the newest with PostGIS."""
    usable = [binaries for binaries in found if binaries.postgis]
    made = sorted((int(path.parent.name) for path in folder.glob("[0-9][0-9]/PG_VERSION")), reverse=True)
    for binaries in usable:
        if binaries.major in made:
            return binaries
    installed = ", ".join(f"{b.major}{'' if b.postgis else ' without PostGIS'}" for b in found) or "none"
    if made:
        old = made[0]
        raise ClusterError(
            f"The private cluster {folder / str(old)} was made by PostgreSQL {old}, which is not installed with "
            f"PostGIS here (installed: {installed}). Install postgresql-{old}-postgis-3, or move {folder} away and "
            "load the deliveries again into a new cluster."
        )
    if not usable:
        raise ClusterError(
            f"No PostgreSQL {OLDEST} or newer with PostGIS was found (installed: {installed}). On Debian and Ubuntu: "
            f"{PACKAGES}. Or set DATABASE_URL to a PostGIS database."
        )
    return usable[0]


def _works_in(pid: int, folder: Path) -> bool:
    """Whether the process is alive and of this data folder's server: its working directory is the data folder."""
    if not Path("/proc/self").exists():  # not Linux: alive must do
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def _processes_in(folder: Path) -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _works_in(int(entry.name), folder)]


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Whom to run PostgreSQL as: None = as the present user; root has to step down to `postgres`."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise ClusterError(
            "PostgreSQL does not run as root and there is no user postgres to step down to. On Debian and Ubuntu "
            f"{PACKAGES} makes one. Or set DATABASE_URL to a PostGIS database."
        ) from None
