"""The delivery's files from the publisher's server into the store."""

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import httpx

from loaders.download import Downloader
from loaders.listing import ListedFile
from loaders.manifest import Manifest
from loaders.partial import part_size
from loaders.progress import BYTES, Progress
from loaders.retries import FetchPolicy, Retries, Stop
from loaders.sources import Site, allowed_hosts, pick_packages
from loaders.store import StoredFile, recall, require_space
from loaders.web import Web


def list_site(source: str, manifest: Manifest, policy: FetchPolicy) -> list[ListedFile]:
    """What is there, by its listing. Raises SourceError."""
    with closing(Web(allowed_hosts(source, manifest), policy, httpx.create_ssl_context())) as web:
        return Site(web, Retries(policy, Stop(), lambda text: None)).find(source, manifest)


@dataclass(frozen=True)
class Remote:
    """Files from the web, by several threads. `hosts`: those that may be asked."""

    store: Path
    progress: Progress
    policy: FetchPolicy
    hosts: frozenset[str]

    def fetch(self, source: str, manifest: Manifest, packages: tuple[str, ...]) -> list[StoredFile]:
        """The files of these packages of the source, in the store. Raises SourceError."""
        context = httpx.create_ssl_context()
        stop, lock = Stop(), threading.Lock()

        def advance(n: int) -> None:
            with lock:
                self.progress.advance(n)

        def note(text: str) -> None:
            with lock:
                self.progress.note(text)

        with closing(Web(self.hosts, self.policy, context)) as web:
            files = Site(web, Retries(self.policy, stop, note)).find(source, manifest)
        files = pick_packages(files, manifest, packages)
        self._prepare(files)
        sizes = [file.size for file in files]
        self.progress.step("fetch", None if None in sizes else sum(size or 0 for size in sizes), BYTES)
        webs = [Web(self.hosts, self.policy, context) for _ in range(min(self.policy.parallel, len(files)))]
        return _obtain_all(files, [Downloader(self.store, web, self.policy, stop, advance, note) for web in webs])

    def _prepare(self, files: list[ListedFile]) -> None:
        missing = [file for file in files if not (file.identified and recall(self.store, file))]
        require_space(self.store, sum(max((f.size or 0) - part_size(self.store, f), 0) for f in missing))
        if len(missing) < len(files):
            self.progress.note(f"{len(files) - len(missing)} of {len(files)} files did not change and are not fetched")


def _obtain_all(files: list[ListedFile], downloaders: list[Downloader]) -> list[StoredFile]:
    """Every file by the next free downloader. The first failure ends them all; what has arrived stays for next time."""
    queue: SimpleQueue[ListedFile] = SimpleQueue()
    for file in files:
        queue.put(file)

    def work(downloader: Downloader) -> list[StoredFile]:
        stored = []
        with closing(downloader.web), suppress(Empty):
            while True:
                stored.append(downloader.obtain(queue.get_nowait()))
        return stored

    with ThreadPoolExecutor(len(downloaders), "fetch") as pool:
        futures = [pool.submit(work, downloader) for downloader in downloaders]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            return [file for future in done for file in future.result()]
        finally:
            for downloader in downloaders:
                downloader.stop.set()
                downloader.web.end()
