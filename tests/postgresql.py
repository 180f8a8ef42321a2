"""A PostgreSQL server of the tests' own: real, on a free port, in a folder that vanishes."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from processes import free_port

DATABASE = "rookery"


def find(program: str) -> str | None:
    """Return the path of one of PostgreSQL's programs; Debian keeps them away from PATH."""
    folders = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(folders))


class PostgreSQL:
    """A server that can be stopped in the middle of things and started again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rookery-postgresql-"))
        self.port = free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:  # the server refuses to run as root
            self.user = "nobody"
            shutil.chown(self.folder, self.user)
        self.data = self.folder / "data"
        self._run("initdb", "-D", str(self.data), "-U", "rookery", "--auth=trust", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "rookery", DATABASE)

    @property
    def url(self) -> str:
        """What `--storage` takes; the password is not asked for."""
        return f"postgresql://rookery:secret@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.data), "-l", log, "-o", options, "-w", "start")

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        found = find(program)
        assert found is not None, f"{program} is not installed"
        user = ["runuser", "-u", self.user, "--"] if os.getuid() == 0 else []
        subprocess.run(
            [*user, found, *arguments], check=True, cwd=self.folder, stdout=subprocess.DEVNULL, timeout=120
        )
