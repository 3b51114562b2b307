"""A long job that does its work in parts lets others go first between two of them."""

from server.jobs.app import connect_queue, make_queue
from server.settings import Settings

URGENT = """
select exists (select from procrastinate_jobs w, procrastinate_jobs own
where own.id = %s and w.status = 'todo' and w.priority > own.priority
  and (w.scheduled_at is null or w.scheduled_at <= now()))
"""
OWN = """
select task_name, queue_name, priority, lock, args from procrastinate_jobs own where id = %s and not exists (
  select from procrastinate_jobs w where w.lock = own.lock and w.task_name = own.task_name and w.status = 'todo')
"""

DOWNLOADS = """
select procrastinate_defer_jobs_v1(array[row('downloads', 'downloads', 5, %(lock)s, null,
  jsonb_build_object('collection', %(collection)s::text, 'version', %(version)s::bigint), null
)::procrastinate_job_to_defer_v1])
where not exists (
  select from procrastinate_jobs where lock = %(lock)s and task_name = 'downloads' and status = 'todo')"""

MAP = """
select procrastinate_defer_jobs_v1(array[row('downloads', 'map', 4, 'map', null, '{}'::jsonb, null
)::procrastinate_job_to_defer_v1])
where not exists (select from procrastinate_jobs where task_name = 'map' and status = 'todo')"""


def is_waited_for(settings: Settings, job: int) -> bool:
    """Whether a job that is more urgent than this one waits."""
    with connect_queue(settings) as connection:
        row = connection.execute(URGENT, [job]).fetchone()
        return bool(row and row[0])


def enqueue_again(settings: Settings, job: int) -> None:
    """A job like this one for the rest of its work, unless one waits already."""
    with connect_queue(settings) as connection, connection.transaction():
        if row := connection.execute(OWN, [job]).fetchone():
            task, queue, priority, lock, arguments = row
            deferrer = make_queue(settings).configure_task(
                task, queue=queue, priority=priority, lock=lock, connection=connection
            )
            deferrer.defer(**arguments)


def enqueue_downloads(settings: Settings, collection: str, version: int) -> None:
    """The job that makes a collection's files, which has waited for something; unless one waits already."""
    values = {"lock": f"after_publication {collection}", "collection": collection, "version": version}
    with connect_queue(settings) as connection:
        connection.execute(DOWNLOADS, values)


def enqueue_map(settings: Settings) -> None:
    """The job that makes the archive of the whole map, unless one waits already."""
    with connect_queue(settings) as connection:
        connection.execute(MAP)
