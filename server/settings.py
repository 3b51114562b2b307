"""What the environment decides: where the database is, where data live, how much one request may ask for."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from loaders.home import default_home

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Settings from the environment; every name below, in upper case, is a variable."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, frozen=True)

    database_url: str | None = Field(
        default=None, description="owner's libpq URL; without it a private cluster is used"
    )
    reader_database_url: str | None = Field(
        default=None, description="the server's libpq URL; without it the owner's with the role opennrw_reader"
    )
    base_url: str | None = Field(
        default=None, description="public URL of the service; without it each request's Host header"
    )
    home: Path = Field(default_factory=default_home, validation_alias="OPENNRW_HOME")
    host: str = Field(default="127.0.0.1", validation_alias="OPENNRW_HOST")
    port: int = Field(default=8080, ge=1, le=65535, validation_alias="OPENNRW_PORT")
    workers: int = Field(default_factory=lambda: min(os.cpu_count() or 1, 4), ge=1, validation_alias="OPENNRW_WORKERS")
    collections_dir: Path = Field(default=ROOT / "collections", validation_alias="OPENNRW_COLLECTIONS_DIR")
    config_dir: Path = Field(default=ROOT / "config", validation_alias="OPENNRW_CONFIG_DIR")
    log_level: str = Field(default="info", validation_alias="OPENNRW_LOG_LEVEL")
    pool_size: int = Field(
        default=8, ge=1, validation_alias="OPENNRW_POOL_SIZE", description="connections per worker process"
    )
    pool_timeout: float = Field(
        default=3.0, gt=0, validation_alias="OPENNRW_POOL_TIMEOUT", description="seconds, then 503"
    )
    statement_timeout: int = Field(
        default=30, ge=1, validation_alias="OPENNRW_STATEMENT_TIMEOUT", description="seconds"
    )
    tile_cache: int = Field(
        default=2048,
        ge=0,
        validation_alias="OPENNRW_TILE_CACHE",
        description="MiB of made tiles that the database keeps for all servers; 0: none; alike for all of them",
    )
    tile_memory: int = Field(
        default=64,
        ge=0,
        validation_alias="OPENNRW_TILE_MEMORY",
        description="MiB of tiles in the memory of each worker process",
    )
    admin_token: str | None = Field(
        default=None,
        min_length=16,
        validation_alias="OPENNRW_ADMIN_TOKEN",
        description="whoever sends it may read /admin/; without it nothing is there",
    )
    frame_ancestors: str = Field(
        default="*",
        pattern=r"^[A-Za-z0-9*:/._ \[\]-]+$",
        validation_alias="OPENNRW_FRAME_ANCESTORS",
        description="pages that may frame /embed/map, as in CSP: *, or origins such as https://www.example.org",
    )
    downloads_at_once: int = Field(
        default=20_000,
        ge=0,
        validation_alias="OPENNRW_DOWNLOADS_AT_ONCE",
        description="features of a part of a collection that is made while the visitor waits; a job makes larger ones",
    )
    downloads_space: float = Field(
        default=20.0,
        gt=0,
        validation_alias="OPENNRW_DOWNLOADS_SPACE",
        description="gigabytes below OPENNRW_HOME for parts of collections that visitors asked for; kept for a day",
    )
    worker_concurrency: int = Field(default=2, ge=1, le=64, validation_alias="OPENNRW_WORKER_CONCURRENCY")
    worker_grace: float = Field(
        default=8.0,
        ge=0,
        validation_alias="OPENNRW_WORKER_GRACE",
        description="seconds that a job may run on after SIGTERM; Docker kills after 10",
    )
    worker_heartbeat: float = Field(
        default=10.0,
        gt=0,
        validation_alias="OPENNRW_WORKER_HEARTBEAT",
        description="seconds; after three without one a worker is taken for dead; alike for all workers",
    )
    retry_wait: float = Field(
        default=15.0,
        gt=0,
        validation_alias="OPENNRW_RETRY_WAIT",
        description="seconds before the second attempt of a job; doubled for each further one",
    )

    @property
    def collection_folders(self) -> tuple[Path, ...]:
        """Where YAML describes collections: the project's, and those that were made of files and tables here."""
        return tuple(dict.fromkeys((self.collections_dir, self.home / "collections")))
